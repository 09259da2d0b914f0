# SPDX-License-Identifier: LGPL-2.1-or-later
"""Proxies between docker-py and a daemon, and how much of what many threads run is lost on the way."""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import threading
import time
from typing import NamedTuple

import docker

import target as targets

KINDS = ["direct", "socat", "ssh", "haproxy", "nginx"]
THREADS, EACH = 20, 20

HAPROXY = """
global
    maxconn 512
defaults
    mode http
    timeout connect 10s
    timeout client 1h
    timeout server 1h
    timeout tunnel 1h
frontend in
    bind 127.0.0.1:{port}
    default_backend out
backend out
    server daemon unix@{socket}
"""

NGINX = """
user root;
worker_processes 2;
pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
    server {{
        listen 127.0.0.1:{port};
        client_max_body_size 0;
        location / {{
            proxy_pass http://unix:{socket}:;
            proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade;
            proxy_set_header Connection $connection_upgrade;
            proxy_set_header Host $host;
            proxy_buffering off;
            proxy_request_buffering off;
            proxy_read_timeout 1h;
        }}
    }}
}}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(path, text):
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def start_sshd(directory, port, target):
    for name in ("host", "user"):
        targets.run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{directory}/{name}")
    shutil.copy(f"{directory}/user.pub", f"{directory}/authorized")
    os.makedirs("/run/sshd", exist_ok=True)
    sshd_port = free_port()
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-e", "-p", str(sshd_port), "-h", f"{directory}/host",
                             "-o", f"AuthorizedKeysFile={directory}/authorized", "-o", "StrictModes=no",
                             "-o", "PermitRootLogin=yes", "-o", "UsePAM=no", "-o", "MaxSessions=100"],
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    await_port(sshd_port)
    ssh = subprocess.Popen(["ssh", "-N", "-p", str(sshd_port), "-i", f"{directory}/user", "-o", "StrictHostKeyChecking=no",
                            "-o", "UserKnownHostsFile=/dev/null", "-L", f"127.0.0.1:{port}:{target.socket}", "root@127.0.0.1"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return [ssh, sshd]


def start_proxy(kind, directory, port, target):
    names = {"port": port, "socket": target.socket, "directory": directory}
    if kind == "ssh":
        return start_sshd(directory, port, target)
    if kind == "socat":
        words = ["socat", "-t", "86400", f"TCP-LISTEN:{port},bind=127.0.0.1,fork,reuseaddr", f"UNIX-CONNECT:{target.socket}"]
    elif kind == "haproxy":
        words = ["haproxy", "-db", "-f", write(f"{directory}/haproxy.cfg", HAPROXY.format(**names))]
    else:
        words = ["nginx", "-g", "daemon off;", "-c", write(f"{directory}/nginx.conf", NGINX.format(**names))]
    return [subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)]


def await_port(port):
    def is_there():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False
    targets.wait_until(is_there, what="the proxy")


@contextlib.contextmanager
def proxied(kind, directory, target):
    if kind == "direct":
        yield target.url
        return
    port = free_port()
    processes = start_proxy(kind, directory, port, target)
    try:
        await_port(port)
        yield f"tcp://127.0.0.1:{port}"
    finally:
        for p in processes:
            p.terminate()
            p.wait(20)


class Count(NamedTuple):
    lost: int
    errors: list
    median: float


def count_lost(url, container, tty):
    lost, errors, times = [], [], []

    def work(number):
        client = docker.DockerClient(base_url=url, timeout=100)
        try:
            for i in range(EACH):
                text = f"{number}-{i}"
                began = time.monotonic()
                code, output = client.containers.get(container).exec_run(["echo", text], tty=tty)
                times.append(time.monotonic() - began)
                if code != 0:
                    errors.append((text, code, output))
                elif output.split() != [text.encode()]:
                    lost.append((text, output))
        except Exception as e:  # noqa: BLE001
            errors.append(repr(e))
        finally:
            client.close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(THREADS)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return Count(len(lost), errors, statistics.median(times) if times else 0)
