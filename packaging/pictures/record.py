# SPDX-License-Identifier: LGPL-2.1-or-later
"""Records the terminal of the README, in a sandbox: record.py, prints the asciicast. record.py --check FILE fails if the
recording has other commands than this program types.

execd records what a terminal in a container shows. The shell of the recording runs on the host, so that its terminal is
carried through one in the machine 'booted': two FIFOs below the machine's root connect them. Keys are typed at the pace of
a person.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

COLUMNS, ROWS = 110, 28
PROMPT = b"\x1b[32m#\x1b[0m "
COMMANDS = """\
docker ps --format 'table {{.Names}}\\t{{.Status}}'
docker exec web id
execctl run web -- sh -c 'exit 7'; echo $?
id=$(execctl run --detach --property=RuntimeMaxSec=10min web -- sleep 1000)
execctl list web
systemctl status --lines=0 exec-$id.scope | cut -c 1-109
execctl kill $id; execctl wait $id; echo $?
execctl history --container=web --lines=3
"""
BEHIND = """stty raw -echo; cat /root/picture.out & dd bs=1 >/root/picture.in 2>/dev/null"""


def host_shell(directory):
    """A shell on a terminal of its own, whose ends are two FIFOs."""
    environment = {"HOME": "/root", "PATH": os.environ["PATH"], "TERM": "xterm", "LANG": "C.UTF-8", "PS1": "\\[\\e[32m\\]#\\[\\e[0m\\] ",
                   "DOCKER_HOST": "unix:///run/execd/execd.sock", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0", "NO_COLOR": "1"}
    for name in ("picture.in", "picture.out"):
        os.mkfifo(f"{directory}/{name}", 0o600)
    pid, master = pty.fork()
    if pid == 0:
        os.chdir("/root")
        os.execve("/bin/bash", ["bash", "--noprofile", "--norc", "--noediting"], environment)
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    return pid, master


def carry(master, directory):
    """Between the shell and the FIFOs, until the shell has exited."""
    output = os.open(f"{directory}/picture.out", os.O_RDWR)
    keys = os.open(f"{directory}/picture.in", os.O_RDWR)
    while True:
        for fd in select.select([master, keys], [], [])[0]:
            try:
                data = os.read(fd, 4096)
            except OSError:
                return
            os.write(output if fd == master else master, data)


def terminal():
    """execctl, on a terminal; what it shows is what execd records."""
    pid, master = pty.fork()
    if pid == 0:
        os.execvp("execctl", ["execctl", "run", "--tty", "--record", "--label=picture=yes", "booted", "--", "sh", "-c", BEHIND])
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    return pid, master


def wait_for_prompt(master):
    seen = b""
    while not seen.endswith(PROMPT):
        seen += os.read(master, 4096)


def type_commands(master):
    wait_for_prompt(master)
    for line in COMMANDS.splitlines():
        time.sleep(0.7)
        for character in line:
            os.write(master, character.encode())
            time.sleep(0.035)
            os.read(master, 4096)
        time.sleep(0.3)
        os.write(master, b"\n")
        wait_for_prompt(master)
        time.sleep(1.0)


def recording():
    """The id of the exec whose label is picture, as execd knows it."""
    listed = subprocess.run(["curl", "--silent", "--unix-socket", "/run/execd/execd.sock",
                             "http://localhost/exec/json?filters=%7B%22label%22%3A%5B%22picture%3Dyes%22%5D%7D"],
                            capture_output=True, text=True, check=True).stdout
    return re.findall(r'"ID":"([0-9a-f]{64})"', listed)[-1]


def check(path):
    """Whether each command is in the recording, in this order, and nothing else was typed."""
    with open(path, encoding="utf-8") as f:
        text = "".join(event[2] for event in map(json.loads, list(f)[1:]) if event[1] == "o")
    typed = [line.split("\r")[0] for line in text.split(PROMPT.decode())[1:]]
    return [line for line in typed if line] == COMMANDS.splitlines()


def main():
    if sys.argv[1:2] == ["--check"]:
        sys.exit(0 if check(sys.argv[2]) else f"{sys.argv[2]} has other commands: packaging/pictures/make --record")
    root = subprocess.run(["/usr/lib/execd-tests/machine", "root", "booted"], capture_output=True, text=True, check=True).stdout.strip()
    directory = root + "/root"
    for name in ("picture.in", "picture.out"):
        if os.path.exists(f"{directory}/{name}"):
            os.unlink(f"{directory}/{name}")
    shell, master = host_shell(directory)
    if os.fork() == 0:
        carry(master, directory)
        os._exit(0)
    pid, screen = terminal()
    type_commands(screen)
    id = recording()
    subprocess.run(["execctl", "kill", "--all", "--signal=KILL", id], check=True)
    os.kill(shell, 9)
    os.close(screen)
    os.waitpid(pid, 0)
    subprocess.run(["curl", "--silent", "--fail", "--unix-socket", "/run/execd/execd.sock",
                    f"http://localhost/exec/{id}/recording"], check=True)
    sys.exit(0)


main()
