# SPDX-License-Identifier: LGPL-2.1-or-later
"""How the programs were built, read from the files that are installed."""

import os
import re

import pytest
from elf import (DF_1_NOW, DF_1_PIE, DF_BIND_NOW, DF_TEXTREL, DT_BIND_NOW, DT_FLAGS, DT_FLAGS_1, DT_NEEDED, DT_RPATH,
                 DT_RUNPATH, DT_TEXTREL, EM_X86_64, ET_DYN, PF_W, PF_X, PT_GNU_RELRO, PT_GNU_STACK, PT_INTERP, Elf)

RUNNER = "/usr/lib/execd/execd-runner"
PROGRAMS = ["/usr/lib/execd/execd", "/usr/lib/execd/execd-spawner", RUNNER, "/usr/bin/execctl"]
# The runner is never built with sanitizers.
SANITIZED = os.environ.get("EXECD_TEST_VARIANT") == "asan"

pytestmark = pytest.mark.parametrize("path", PROGRAMS, ids=os.path.basename)


def test_position_independent(path):
    elf = Elf(path)
    assert elf.type == ET_DYN
    assert elf.dynamic().get(DT_FLAGS_1, [0])[0] & DF_1_PIE, "a program, and not a library"
    # The kernel loads the runner; no program of a container is asked to.
    assert (elf.segment(PT_INTERP) is None) == (path == RUNNER)
    assert (DT_NEEDED not in elf.dynamic()) == (path == RUNNER)


def test_nothing_is_found_by_a_path_of_its_own(path):
    assert not {DT_RPATH, DT_RUNPATH} & set(Elf(path).dynamic())


def test_no_memory_is_written_and_executed(path):
    elf = Elf(path)
    assert not elf.segment(PT_GNU_STACK)[1] & PF_X, "the stack"
    assert not [s for s in elf.loads() if s[1] & PF_W and s[1] & PF_X]
    assert DT_TEXTREL not in elf.dynamic() and not elf.dynamic().get(DT_FLAGS, [0])[0] & DF_TEXTREL


def test_relocated_once_and_read_only(path):
    elf = Elf(path)
    dynamic = elf.dynamic()
    assert elf.segment(PT_GNU_RELRO)
    assert DT_BIND_NOW in dynamic or dynamic.get(DT_FLAGS, [0])[0] & DF_BIND_NOW or \
        dynamic.get(DT_FLAGS_1, [0])[0] & DF_1_NOW


def test_calls_are_checked(path):
    """The stack protector, and the C library's functions that know the size of what they write to."""
    elf = Elf(path)
    symbols = elf.symbols()
    if len(symbols) < 10:
        pytest.skip("stripped, and static: there are no symbols")
    assert "__stack_chk_fail" in symbols
    if not SANITIZED:
        assert [s for s in symbols if s.startswith("__") and s.endswith("_chk")]


def test_targets_of_indirect_branches_are_marked(path):
    elf = Elf(path)
    if elf.machine != EM_X86_64:
        pytest.skip("not x86")
    # Each function that can be called indirectly begins so; the C library brings its own.
    assert elf.code().count(b"\xf3\x0f\x1e\xfa") > 50


@pytest.mark.parametrize("option", ["-fstack-protector-strong", "-fstack-clash-protection", "-ftrivial-auto-var-init=zero",
                                    "-fcf-protection=full"])
def test_options_of_the_compiler(path, option):
    """All sources of ours: the C library's objects bring no such text."""
    elf = Elf(path)
    lines = elf.compilers()
    if not lines:
        pytest.skip("stripped: the compiler's command lines are not there")
    if option == "-fcf-protection=full" and elf.machine != EM_X86_64:
        pytest.skip("not x86")
    # The last of several counts.
    name = option[2:].split("=")[0].removesuffix("-strong")
    kind = re.compile(rf"-f(no-)?{name}(-[a-z]+|=[a-z]+)?")
    last = [([word for word in line.split() if kind.fullmatch(word)] or [""])[-1] for line in lines]
    assert set(last) <= {option, option.split("=")[0]}, sorted(set(last))
