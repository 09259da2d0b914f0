# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py DIR [--files]: prints how many lines were run, from the notes and counts that gcov reads in each directory below DIR.
A line of several programs counts once, and as run if one of them has run it."""

import collections
import json
import pathlib
import subprocess
import sys


def lines_of(directory):
    """(file, line, whether it was run) of all objects below a directory."""
    for notes in sorted(directory.rglob("*.gcno")):
        told = subprocess.run(["gcov", "--json-format", "--stdout", str(notes)], capture_output=True, text=True,
                              cwd=notes.parent, check=True).stdout
        for document in filter(None, told.splitlines()):
            for file in json.loads(document)["files"]:
                name = pathlib.PurePath(file["file"])
                if "daemon" in name.parts:
                    for line in file["lines"]:
                        yield "/".join(name.parts[name.parts.index("daemon"):]), line["line_number"], line["count"] > 0


def main(top, files):
    seen = collections.defaultdict(dict)
    for directory in sorted(pathlib.Path(top).iterdir()):
        for file, line, was_run in lines_of(directory):
            seen[file][line] = was_run or seen[file].get(line, False)
    table = collections.defaultdict(lambda: [0, 0])
    for file, lines in seen.items():
        for name in (["all", file.rsplit("/", 1)[0]] + ([file] if files else [])):
            table[name][0] += sum(lines.values())
            table[name][1] += len(lines)
    for name, (run, total) in sorted(table.items()):
        print(f"{name:40} {run:6} of {total:6} lines  {100 * run / max(total, 1):5.1f} %")


main(sys.argv[1], "--files" in sys.argv[2:])
