# SPDX-License-Identifier: LGPL-2.1-or-later
"""Measures execd beside dockerd, inside a sandbox: runs are interleaved, medians and ratios are printed. Timings are
shown and never judged here."""

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "conformance"))
import peers as others  # noqa: E402
import target as targets  # noqa: E402

SOCKETS = {"execd": "/run/execd/execd.sock", "dockerd": "/run/docker.sock"}
PROCESSES = {"execd": ("execd", "execd-spawner"), "dockerd": ("dockerd", "containerd")}
HELPERS = {"execd": ("execd-runner",), "dockerd": ("containerd-shim",)}
ELSEWHERE = {"execd": "booted", "dockerd": "elsewhere-docker"}
# The figures that README shows first, for a run that is ended early.
PARTS = ("latency", "rate", "streams", "echo", "cold", "attached", "peers", "pauses", "health", "memory", "cpu", "floor",
         "neighbours")
OF_EXECD = ("cold", "attached", "floor")
TICK = os.sysconf("SC_CLK_TCK")


def container_of(name, container):
    """execd sees Docker's, too: two with one name it would take for neither."""
    return f"{container}-docker" if name == "dockerd" else container


class Bench:
    def __init__(self, tools, container, names, quick):
        self.tools, self.names, self.quick = tools, names, quick
        self.containers = {name: container_of(name, container) for name in names}
        self.results, self.found = {}, []

    def finish(self):
        for peer in self.found:
            if hasattr(peer, "finish"):
                peer.finish()

    def client(self, name, *words, timeout=600, container=None):
        done = subprocess.run([f"{self.tools}/bench-client", SOCKETS[name], container or self.containers[name],
                               *map(str, words)],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout)
        if done.returncode:
            raise SystemExit(f"{name} {words}: {done.stderr}")
        return done.stdout.split()

    def rounds(self, n):
        """A B A B …, so that other load on the machine affects both."""
        return [(i, name) for i in range(n) for name in self.names]

    def put(self, key, name, value):
        self.results.setdefault(key, {})[name] = value

    def latency(self):
        samples, failed = {n: [] for n in self.names}, dict.fromkeys(self.names, 0)
        rounds, each = (2, 25) if self.quick else (5, 40)
        for _, name in self.rounds(rounds):
            for line in self.client(name, "latency", each):
                if line == "failed":
                    failed[name] += 1
                else:
                    samples[name].append(float(line))
        for name, s in samples.items():
            s.sort()
            self.put("exec p50 [ms]", name, statistics.median(s))
            self.put("exec p99 [ms]", name, s[int(len(s) * 0.99)])
            self.put("exec failed", name, failed[name])

    def health(self):
        """As health checks come: one now and then, nothing between."""
        samples = {n: [] for n in self.names}
        for _, name in self.rounds(1 if self.quick else 3):
            samples[name] += [float(line) for line in self.client(name, "latency", 20, 250) if line != "failed"]
        for name, s in samples.items():
            s.sort()
            self.put("health check p50 [ms]", name, statistics.median(s))
            self.put("health check p99 [ms]", name, s[int(len(s) * 0.99)])

    def rate(self):
        for threads, total in ((1, 30), (8, 80), (50, 200)):
            seen, failed = {n: [] for n in self.names}, dict.fromkeys(self.names, 0)
            for _, name in self.rounds(1 if self.quick else 3):
                speed, failures = self.client(name, "rate", threads, total * (4 if name == "execd" else 1))
                seen[name].append(float(speed))
                failed[name] += int(failures)
            for name in self.names:
                self.put(f"execs/s, {threads} at a time", name, statistics.median(seen[name]))
                self.put(f"failed, {threads} at a time", name, failed[name])

    def streams(self):
        mib = 256 if self.quick else 1024
        for direction in ("stdout", "stdin"):
            seen = {n: [] for n in self.names}
            for _, name in self.rounds(1 if self.quick else 3):
                seen[name].append(float(self.client(name, direction, mib)[0]))
            for name in self.names:
                self.put(f"{direction} [MB/s]", name, statistics.median(seen[name]))

    def echo(self):
        seen = {n: [] for n in self.names}
        for _, name in self.rounds(1 if self.quick else 3):
            seen[name] += map(float, self.client(name, "echo", 300))
        for name, s in seen.items():
            s.sort()
            self.put("tty echo p50 [us]", name, statistics.median(s))
            self.put("tty echo p99 [us]", name, s[int(len(s) * 0.99)])

    def memory(self):
        n = 20 if self.quick else 100
        for name in self.names:
            self.client(name, "latency", 1)
            awake = memory_of(PROCESSES[name], "Rss")
            before = memory_of(PROCESSES[name] + HELPERS[name], "Rss"), memory_of(PROCESSES[name] + HELPERS[name], "Pss")
            p = subprocess.Popen([f"{self.tools}/bench-client", SOCKETS[name], self.containers[name], "hold", str(n)],
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            if p.stdout.readline() != b"held\n":
                raise SystemExit(f"{name}: cannot hold {n} execs")
            after = memory_of(PROCESSES[name] + HELPERS[name], "Rss"), memory_of(PROCESSES[name] + HELPERS[name], "Pss")
            p.communicate(b"")
            self.put("RSS awake [KiB]", name, awake)
            self.put("RSS per attached exec [KiB]", name, (after[0] - before[0]) / n)
            self.put("PSS per attached exec [KiB]", name, (after[1] - before[1]) / n)

    def cpu(self):
        n = 20 if self.quick else 100
        for name in self.names:
            before = cpu_of(PROCESSES[name] + HELPERS[name])
            self.client(name, "latency", n)
            self.put("CPU per exec [ms]", name, (cpu_of(PROCESSES[name] + HELPERS[name]) - before) * 1e3 / n)

    def attached(self):
        """The rate beside so many that are attached to commands which wait."""
        n, total = (50, 100) if self.quick else (500, 800)
        before = float(self.client("execd", "rate", 50, total)[0])
        p = subprocess.Popen([f"{self.tools}/bench-client", SOCKETS["execd"], self.containers["execd"], "hold", str(n)],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        if p.stdout.readline() != b"held\n":
            raise SystemExit(f"execd: cannot hold {n} execs")
        beside = float(self.client("execd", "rate", 50, total)[0])
        p.communicate(b"")
        self.put(f"execs/s beside {n} attached", "execd", beside)
        self.put(f"part of the rate without {n} attached", "execd", beside / before)

    def client_once(self, path, container):
        """Milliseconds of one command, by a server at a socket."""
        done = subprocess.run([f"{self.tools}/bench-client", path, container, "latency", "1"], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=100)
        if done.returncode or "failed" in done.stdout:
            raise RuntimeError(f"{path} {container}: {done.stdout}{done.stderr}")
        return float(done.stdout)

    def all_peers(self):
        if not self.found:
            self.found = [others.Server(name, SOCKETS[name], self.containers[name], self.client_once)
                          for name in self.names] + others.prepare(self.client_once)
        return self.found

    def peers(self):
        """One command after the other, with each in turn; a connection of its own for each, where there are connections."""
        samples = {}
        for _ in range(5 if self.quick else 25):
            for peer in self.all_peers():
                samples.setdefault(peer.name, []).append(peer.measure())
        for name, s in samples.items():
            self.put("one command p50 [ms]", name, statistics.median(s))

    def pauses(self):
        """Commands with so many seconds between them. All peers wait at the same time, and measure one after the other."""
        pauses = ((2, 2),) if self.quick else ((10, 4), (35, 3), (60, 3))
        samples = {}
        turn = threading.Lock()

        def wait(peer):
            for seconds, count in pauses:
                with turn:
                    peer.measure()
                for _ in range(count):
                    time.sleep(seconds)  # the pause whose effect is measured
                    with turn:
                        samples.setdefault((seconds, peer.name), []).append(peer.measure())

        waiting = [threading.Thread(target=wait, args=(peer,)) for peer in self.all_peers()]
        for thread in waiting:
            thread.start()
        for thread in waiting:
            thread.join()
        for (seconds, name), s in sorted(samples.items(), key=lambda row: row[0][0]):
            self.put(f"exec after {seconds} s p50 [ms]", name, statistics.median(s))
            if name == "execd":
                self.put(f"exec after {seconds} s, slowest [ms]", name, max(s))

    def cold(self):
        """The first command ever: neither execd nor its spawner runs. dockerd is not started by its socket here."""
        samples = []
        for _ in range(3 if self.quick else 10):
            subprocess.run(["systemctl", "stop", "execd.service", "execd-spawner.service"], check=True, capture_output=True)
            samples += map(float, self.client("execd", "latency", 1))
        self.put("cold start p50 [ms]", "execd", statistics.median(samples))

    def neighbours(self):
        """The effect of detached commands that write without end: on a health check, and on an exec in another container."""
        count, execs = (100, 20) if self.quick else (400, 60)
        for busy in (0, 1, 4):
            for name in self.names:
                if name == "dockerd":
                    targets.Target(name, SOCKETS[name], ELSEWHERE[name]).prepare()
                for _ in range(busy):
                    self.docker(name, "exec", "--detach", self.containers[name], "yes")
                try:
                    pings = sorted(ping(SOCKETS[name]) for _ in range(count))
                    lines = self.client(name, "latency", execs, container=ELSEWHERE[name])
                finally:
                    subprocess.run(["pkill", "-KILL", "-x", "yes"], check=False)
                taken = sorted(float(line) for line in lines if line != "failed")
                self.put(f"_ping p99 beside {busy} yes [ms]", name, pings[int(len(pings) * 0.99)])
                if taken:
                    self.put(f"exec p99 beside {busy} yes [ms]", name, taken[int(len(taken) * 0.99)])
                self.put(f"exec failed beside {busy} yes", name, len(lines) - len(taken))

    def docker(self, name, *words):
        targets.run(targets.docker_cli(), "-H", f"unix://{SOCKETS[name]}", *words)

    def floor(self):
        leader = subprocess.run(["machinectl", "show", "--property=Leader", "--value", self.containers["execd"]],
                                capture_output=True, text=True, check=True).stdout.strip()
        for kind in ("plain", "scope"):
            lines = subprocess.run([f"{self.tools}/floor", leader, kind, "100"], capture_output=True, text=True,
                                   check=True).stdout.split()
            self.put("exec p50 [ms]", f"floor, {kind}", statistics.median(map(float, lines)))


def ping(path):
    """Milliseconds, with the connection; a minute for one that is not answered within that."""
    began = time.monotonic()
    try:
        answer = ask_ping(path)
    except TimeoutError:
        return 60e3
    if not answer.startswith(b"HTTP/1.1 200"):
        raise SystemExit(f"/_ping: {answer[:100]!r}")
    return (time.monotonic() - began) * 1e3


def ask_ping(path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(60)
        s.connect(path)
        s.sendall(b"GET /_ping HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        data = b""
        while piece := s.recv(4096):
            data += piece
    return data


def pids_of(names):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                program = os.path.basename(f.read().split(b"\0")[0].decode(errors="replace"))
        except OSError:
            continue
        if any(program == n or (n == "containerd-shim" and program.startswith(n)) for n in names):
            yield pid


def memory_of(names, field):
    total = 0
    for pid in pids_of(names):
        try:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += sum(int(line.split()[1]) for line in f if line.startswith(field + ":"))
        except OSError:
            continue
    return total


def cpu_of(names):
    """Seconds, including children that have ended."""
    total = 0
    for pid in pids_of(names):
        try:
            with open(f"/proc/{pid}/stat") as f:
                fields = f.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        total += sum(map(int, fields[11:15]))
    return total / TICK


LOWER_IS_BETTER = ("ms]", "us]", "KiB]")


def show(results, names):
    columns = names + [c for c in dict.fromkeys(c for row in results.values() for c in row) if c not in names]
    width = max(map(len, results)) + 2
    print(f"{'':{width}}" + "".join(f"{c:>15}" for c in columns) + ("          ratio" if len(names) == 2 else ""))
    for key, row in results.items():
        line = f"{key:{width}}" + "".join(f"{row[c]:15.2f}" if c in row else " " * 15 for c in columns)
        if len(names) == 2 and all(row.get(n) for n in names):
            ratio = row["dockerd"] / row["execd"] if key.endswith(LOWER_IS_BETTER) else row["execd"] / row["dockerd"]
            line += f"{ratio:14.1f}x"
        print(line)


def save(path, results, load):
    text = json.dumps({"date": time.strftime("%Y-%m-%d", time.gmtime()), "machine": machine(), "load": load,
                       "results": results}, indent=2)
    if path == "-":
        print(text)
        return
    with open(f"{path}.new", "w", encoding="utf-8") as f:
        f.write(text + "\n")
    os.rename(f"{path}.new", path)


def machine():
    """The processor and the kernel, in one line."""
    with open("/proc/cpuinfo") as f:
        models = [line.split(":", 1)[1].strip() for line in f if line.startswith("model name")]
    return f"{os.cpu_count()} processors, {models[0] if models else platform.machine()}, Linux {platform.release()}"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tools", required=True)
    p.add_argument("--container", default="web")
    p.add_argument("--target", choices=["execd", "dockerd", "both"], default="both")
    p.add_argument("--only", choices=PARTS)
    p.add_argument("--quick", action="store_true")
    p.add_argument("--json")
    a = p.parse_args()
    names = ["execd", "dockerd"] if a.target == "both" else [a.target]
    if "dockerd" in names:
        targets.Target("dockerd", SOCKETS["dockerd"], container_of("dockerd", a.container)).prepare()
    bench = Bench(a.tools, a.container, names, a.quick)
    with open("/proc/loadavg", encoding="ascii") as f:
        load = f.read().strip()
    began = time.monotonic()
    try:
        for part in PARTS:
            if a.only in (None, part) and (part not in OF_EXECD or "execd" in names):
                print(f"[{time.monotonic() - began:4.0f} s] measuring: {part}", file=sys.stderr, flush=True)
                getattr(bench, part)()
                # A run that is ended early keeps what was measured until then.
                if a.json and a.json != "-":
                    save(a.json, bench.results, load)
    finally:
        bench.finish()
    print(f"{os.cpu_count()} processors, load {load} before; ratio: how many times better execd is")
    show(bench.results, names)
    if a.json == "-":
        save(a.json, bench.results, load)


if __name__ == "__main__":
    main()
