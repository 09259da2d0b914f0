#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws the figures that the first screen of README.md shows: plot.py bench.json, to stdout, as SVG.

Each chart has a linear scale of its own. tests/bench.d/plot.py draws all figures."""

import json
import sys
from xml.sax.saxutils import escape

# Three columns of charts: the figure of tests/bench, its title, and whether longer bars are better.
COLUMNS = (
    (("one command p50 [ms]", "One command, milliseconds", False),),
    (("execs/s, 8 at a time", "Commands per second, 8 at a time", True), ("stdout [MB/s]", "Output, MB per second", True)),
    (("RSS per attached exec [KiB]", "Memory of an attached command, KiB", False),
     ("CPU per exec [ms]", "CPU time of a command, milliseconds", False)),
)
WIDTH, COLUMN, MARGIN = 904, 296, 12
TITLE, BAR, GAP = 20, 16, 10
NAME, LONGEST = 104, 135
OWN, OTHER, TEXT = "#2a78b8", "#b0b6bc", "#333333"


def number(value):
    return f"{value:.0f}" if value >= 100 else f"{value:.2g}"


def draw_chart(values, title, longer_is_better, x, y):
    """Prints one chart and returns the y below it. The best bar comes first."""
    print(f'<text x="{x}" y="{y + 13}" font-weight="bold">{escape(title)}</text>')
    y += TITLE
    for name, value in sorted(values.items(), key=lambda one: one[1], reverse=longer_is_better):
        long = max(1.0, LONGEST * value / max(values.values()))
        color = OWN if name == "execd" else OTHER
        print(f'<text x="{x + NAME - 6}" y="{y + 12}" text-anchor="end">{escape(name)}</text>'
              f'<rect x="{x + NAME}" y="{y + 2}" width="{long:.1f}" height="{BAR - 4}" fill="{color}"/>'
              f'<text x="{x + NAME + long + 5:.1f}" y="{y + 12}">{number(value)}</text>')
        y += BAR
    return y + GAP


def values_of(results, key):
    return {name: value for name, value in results[key].items() if value > 0 and not name.startswith("floor")}


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        measured = json.load(f)
    results = measured["results"]
    rows = max(sum(TITLE + GAP + BAR * len(values_of(results, key)) for key, _, _ in column) for column in COLUMNS)
    height = MARGIN + rows + 18
    print(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
          f'font-family="sans-serif" font-size="12" fill="{TEXT}">')
    print('<rect width="100%" height="100%" rx="6" fill="#ffffff" stroke="#d0d7de"/>')
    for i, column in enumerate(COLUMNS):
        y = MARGIN
        for key, title, longer_is_better in column:
            y = draw_chart(values_of(results, key), title, longer_is_better, MARGIN + i * COLUMN, y)
    about = ", ".join(measured[key] for key in ("date", "machine") if key in measured)
    print(f'<text x="{MARGIN}" y="{height - 9}" font-size="10" fill="#6a737d">{escape(about)}</text>')
    print("</svg>")


main()
