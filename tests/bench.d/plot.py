# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws what tests/bench has measured as SVG: plot.py FILE.json, to stdout. A bar for each number, on a logarithmic scale."""

import json
import math
import sys
from xml.sax.saxutils import escape

COLORS = {"execd": "#2a78b8", "dockerd": "#b0b6bc", "floor, plain": "#d9dde0", "floor, scope": "#d9dde0"}
BAR, GAP, LABEL, WIDTH = 14, 10, 270, 420


def number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.3g}"


def length(value, least, most):
    return WIDTH * (math.log10(value / least) + 0.1) / (math.log10(most / least) + 0.1)


def bars(results):
    """(y, name, value, text) of each, and the lines of text (y, text)."""
    y, found, labels = 40, [], []
    for key, row in results.items():
        row = {name: value for name, value in row.items() if value > 0}
        if not row:
            continue
        labels.append((y + BAR * len(row) / 2 + 4, key))
        for name, value in row.items():
            found.append((y, name, value))
            y += BAR
        y += GAP
    return y, found, labels


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        measured = json.load(f)
    results = measured["results"]
    height, found, labels = bars(results)
    least, most = min(v for _, _, v in found), max(v for _, _, v in found)
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{LABEL + WIDTH + 130}" height="{height + 24}" '
          'font-family="sans-serif" font-size="12">')
    print(f'<rect width="100%" height="100%" fill="white"/><text x="10" y="22" font-size="14">logarithmic scale; '
          f'{escape(", ".join(dict.fromkeys(name for _, name, _ in found)))}</text>')
    about = ", ".join(measured[key] for key in ("date", "machine") if key in measured)
    print(f'<text x="10" y="{height + 14}" font-size="11" fill="#555555">{escape(about)}; load of the machine '
          f'{escape(measured.get("load", "unknown").split(" ")[0])}</text>')
    for y, key in labels:
        print(f'<text x="{LABEL - 10}" y="{y:.0f}" text-anchor="end">{escape(key)}</text>')
    for y, name, value in found:
        wide = length(value, least, most)
        print(f'<rect x="{LABEL}" y="{y}" width="{wide:.1f}" height="{BAR - 2}" fill="{COLORS.get(name, "#888888")}"/>'
              f'<text x="{LABEL + wide + 5:.1f}" y="{y + BAR - 3}" fill="#333333">{number(value)} {escape(name)}</text>')
    print("</svg>")


main()
