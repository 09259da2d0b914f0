# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# The summary at the end of tests/run. Sourced by it.

: "${TREE:?}" "${LOGS:?}"

# print_table PART…: and adds up in $passed, $failed and $skipped.
print_table() {
    local number=0 part p f s took cpu label
    printf '\n%-28s %7s %7s %7s %9s %9s %9s\n' suite passed failed skipped seconds "of CPU" waiting
    for part; do
        number=$((number + 1))
        [ ! -e "$LOGS/left-$number" ] || continue
        if ! read -r p f s took cpu label 2>/dev/null <"$LOGS/verdict-$number"; then
            p=0 f=1 s=0 took=0 cpu=0 label="$(label_of "$part") (without a verdict)"
        fi
        printf '%-28s %7d %7d %7d %9d %9d %9d\n' "$label" "$p" "$f" "$s" "$took" "$cpu" $((took > cpu ? took - cpu : 0))
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    done
}

print_left() {
    local file
    for file in "$LOGS"/left-*; do
        [ ! -e "$file" ] || printf 'left out, since the time is up: %s\n' "$(label_of "$(cat "$file")")"
    done
}

# The slowest tests, of the reports that pytest and meson have left.
print_slowest() {
    python3 - "$1" "$LOGS" <<'PYTHON'
import glob
import os
import sys
import xml.etree.ElementTree as tree

found = []
for path in glob.glob(os.path.join(sys.argv[2], "**", "*.xml"), recursive=True):
    try:
        cases = tree.parse(path).getroot().iter("testcase")
    except tree.ParseError:
        continue
    part = os.path.relpath(path, sys.argv[2]).removesuffix(".xml")
    found += [(float(c.get("time") or 0), part, f"{c.get('classname')}::{c.get('name')}") for c in cases]
for seconds, part, name in sorted(found, reverse=True)[:int(sys.argv[1])]:
    print(f"{seconds:8.1f} s  {part:20} {name}")
PYTHON
}
