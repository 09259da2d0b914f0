#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Renders an asciicast of version 2 as an animated SVG: render FILE.cast, to stdout.

Each line of the screen is an element that is visible for as long as the line does not change. Viewers without animation
show the last screen. Supported is what shells and the programs of the recording use: text, line control, colors, erasing.
"""

import json
import re
import sys
from xml.sax.saxutils import escape

CELL, LINE, MARGIN, TITLE = 8.0, 17, 12, 30
PAUSE = 5.0     # seconds between the end and the next run
MERGE = 0.1     # output that arrives within this time changes the screen once
COLORS = {30: "#3b4252", 31: "#e5736f", 32: "#98c379", 33: "#e5c07b", 34: "#6cb0f0", 35: "#c678dd", 36: "#56b6c2", 37: "#d8dee9",
          90: "#7f8896"}
TEXT = "#d8dee9"
SEQUENCE = re.compile(r"\x1b\[([?>=]?)([0-9;]*)([A-Za-z])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][0-9A-B]|\x1b[=>78]")


class Screen:
    """A terminal: rows of (character, style), and the cursor."""

    def __init__(self, columns, rows):
        self.columns, self.rows = columns, rows
        self.cells = [[] for _ in range(rows)]
        self.row = self.column = 0
        self.style = (TEXT, False)

    def feed(self, text):
        position = 0
        while position < len(text):
            match = SEQUENCE.match(text, position)
            if match:
                self.control(match)
                position = match.end()
            else:
                self.put(text[position])
                position += 1

    def put(self, character):
        if character == "\n":
            self.line_feed()
        elif character == "\r":
            self.column = 0
        elif character == "\b":
            self.column = max(0, self.column - 1)
        elif character == "\t":
            self.column = min(self.columns - 1, (self.column // 8 + 1) * 8)
        elif character >= " ":
            if self.column == self.columns:
                self.column = 0
                self.line_feed()
            line = self.cells[self.row]
            line.extend([(" ", (TEXT, False))] * (self.column + 1 - len(line)))
            line[self.column] = (character, self.style)
            self.column += 1

    def line_feed(self):
        if self.row + 1 < self.rows:
            self.row += 1
        else:
            self.cells = self.cells[1:] + [[]]

    def control(self, match):
        if match[3] is None or match[1]:
            return
        numbers = [int(n or 0) for n in match[2].split(";")]
        if match[3] == "m":
            self.set_style(numbers)
        elif match[3] == "K" and numbers[0] == 0:
            del self.cells[self.row][self.column:]
        elif match[3] == "J":
            first = 0 if numbers[0] == 2 else self.row + 1
            self.cells[first:] = [[] for _ in range(first, self.rows)]
        elif match[3] == "H":
            self.row, self.column = max(0, numbers[0] - 1), max(0, (numbers + [1])[1] - 1)
        elif match[3] == "C":
            self.column = min(self.columns - 1, self.column + max(1, numbers[0]))
        elif match[3] == "D":
            self.column = max(0, self.column - max(1, numbers[0]))

    def set_style(self, numbers):
        for number in numbers:
            if number == 0:
                self.style = (TEXT, False)
            elif number == 1:
                self.style = (self.style[0], True)
            elif number in COLORS:
                self.style = (COLORS[number], self.style[1])
            elif number == 39:
                self.style = (TEXT, self.style[1])

    def lines(self):
        return [tuple(line) for line in self.cells]


def frames(header, events):
    """(seconds, lines) whenever the screen has changed."""
    screen = Screen(header["width"], header["height"])
    found = []
    for seconds, code, data in events:
        if code != "o":
            continue
        screen.feed(data)
        if found and seconds - found[-1][0] < MERGE:
            found[-1] = (found[-1][0], screen.lines())
        else:
            found.append((seconds, screen.lines()))
    return found


def spans(found, row):
    """[from, to, line] of one row, for as long as it stays the same; to is None for the last screen."""
    result = []
    for seconds, lines in found:
        if result and result[-1][2] == lines[row]:
            continue
        if result:
            result[-1][1] = seconds
        result.append([seconds, None, lines[row]])
    return [one for one in result if "".join(c for c, _ in one[2]).strip()]


def markup(line):
    """Runs of one style, as tspan where it is not the normal one."""
    text, runs = "", []
    for character, style in line:
        if runs and runs[-1][0] == style:
            runs[-1][1] += character
        else:
            runs.append([style, character])
    for (color, bold), run in runs:
        attributes = (f' fill="{color}"' if color != TEXT else "") + (' font-weight="bold"' if bold else "")
        text += f"<tspan{attributes}>{escape(run)}</tspan>" if attributes else escape(run)
    return text.rstrip()


def main():
    with open(sys.argv[1], encoding="utf-8") as stream:
        header, *events = (json.loads(line) for line in stream)
    found = frames(header, events)
    end = found[-1][0]
    width = header["width"] * CELL + 2 * MARGIN
    height = header["height"] * LINE + TITLE + MARGIN
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
          f'height="{height:.0f}" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13" fill="{TEXT}">')
    print('<rect width="100%" height="100%" rx="6" fill="#1d2129"/>')
    for x, color in ((18, "#e5736f"), (36, "#e5c07b"), (54, "#98c379")):
        print(f'<circle cx="{x}" cy="15" r="5" fill="{color}"/>')
    print(f'<rect width="0" height="0"><animate id="c" attributeName="x" dur="{end + PAUSE:.2f}s" begin="0s;c.end"/></rect>')
    for row in range(header["height"]):
        y = TITLE + LINE * (row + 0.7)
        for begin, until, line in spans(found, row):
            size = f' textLength="{len("".join(c for c, _ in line).rstrip()) * CELL:.0f}" lengthAdjust="spacingAndGlyphs"'
            if until is None:
                state = f'<set attributeName="visibility" to="hidden" begin="c.begin" end="c.begin+{begin:.2f}s"/>'
            else:
                state = (f'<set attributeName="visibility" to="visible" begin="c.begin+{begin:.2f}s" '
                         f'end="c.begin+{until:.2f}s"/>')
            hidden = "" if until is None else ' visibility="hidden"'
            print(f'<text x="{MARGIN}" y="{y:.0f}" xml:space="preserve"{size}{hidden}>{markup(line)}{state}</text>')
    print("</svg>")


main()
