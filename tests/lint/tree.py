# SPDX-License-Identifier: LGPL-2.1-or-later
"""The files of the source tree that the checks look at."""

import os
import sys


def top():
    return os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ".")


def files(root, *suffixes, under=""):
    """Paths relative to root, of the given suffixes (all files without any), in order."""
    found = []
    for folder, folders, names in os.walk(os.path.join(root, under)):
        folders[:] = sorted(f for f in folders if f != ".git" and not f.startswith(("build", "__pycache__", ".pytest")))
        for name in sorted(names):
            path = os.path.join(folder, name)
            if os.path.isfile(path) and not os.path.islink(path) and (not suffixes or name.endswith(suffixes)):
                found.append(os.path.relpath(path, root))
    return found


def lines(root, path):
    with open(os.path.join(root, path), encoding="utf-8", errors="replace") as stream:
        return stream.read().splitlines()


def scripts(root, interpreter):
    """Files whose first line runs the interpreter."""
    found = []
    for path in files(root):
        with open(os.path.join(root, path), "rb") as stream:
            first = stream.readline(200)
        if first.startswith(b"#!") and interpreter.encode() in first:
            found.append(path)
    return found


def finish(problems):
    for problem in problems:
        print(problem)
    sys.exit(1 if problems else 0)
