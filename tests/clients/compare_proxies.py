# SPDX-License-Identifier: LGPL-2.1-or-later
"""compare_proxies.py [--only KIND[,KIND…]] [--target NAME[,NAME…]] [--rounds N] [--json FILE]: execd and dockerd are asked by
docker-py about one container of Docker's, through one proxy after the other, and one table shows what each has lost.

Inside the sandbox; tests/bench --only proxies calls it. It measures, and judges nothing.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../conformance")]

import proxies  # noqa: E402
import target as targets  # noqa: E402

CONTAINER = "compared"


def measure(kind, target, tty, rounds):
    lost, errors, medians = 0, [], []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as directory, proxies.proxied(kind, directory, target) as url:
            count = proxies.count_lost(url, target.container, tty)
        lost += count.lost
        errors += count.errors
        medians.append(count.median * 1000)
    return {"proxy": kind, "tty": tty, "target": target.name, "runs": rounds * proxies.THREADS * proxies.EACH, "lost": lost,
            "errors": len(errors), "first_error": str(errors[0]) if errors else "", "median_ms": statistics.median(medians)}


def cell(row):
    text = f"{row['lost']} ({100 * row['lost'] / row['runs']:.2f} %)"
    return f"{text:>14} {row['errors']:>6} {row['median_ms']:>9.1f}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default=",".join(proxies.KINDS))
    parser.add_argument("--target", default="execd,dockerd")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json")
    options = parser.parse_args()
    dockerd = targets.Target("dockerd", targets.SOCKETS["dockerd"], CONTAINER)
    all_targets = [targets.Target(name, targets.SOCKETS[name], CONTAINER, dockerd) for name in options.target.split(",")]
    rows = []
    dockerd.prepare()
    try:
        print(f"{'proxy':8} {'streams':8}" + "".join(f" {t.name + ': lost':>14} {'errors':>6} {'median ms':>9}"
                                                       for t in all_targets), flush=True)
        for kind in options.only.split(","):
            for tty in (False, True):
                found = [measure(kind, target, tty, options.rounds) for target in all_targets]
                print(f"{kind:8} {'tty' if tty else 'plain':8}" + "".join(" " + cell(row) for row in found), flush=True)
                rows += found
    finally:
        dockerd.finish()
    for row in rows:
        if row["first_error"]:
            print(f"{row['proxy']} ({row['target']}): {row['first_error']}")
    if options.json:
        with open(options.json, "w", encoding="utf-8") as stream:
            json.dump(rows, stream, indent=1)


if __name__ == "__main__":
    main()
