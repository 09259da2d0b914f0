#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Runs a command in a running container with docker-py, and ends with its exit status. Without arguments: lists the
containers. Needs Debian's python3-docker.

run-in-container.py
run-in-container.py web ls -l /etc
"""

import os
import sys

import docker

client = docker.DockerClient(base_url=os.environ.get("DOCKER_HOST", "unix:///run/execd/execd.sock"))
if len(sys.argv) < 3:
    for container in client.containers.list():
        print(container.short_id, container.name, container.status)
    sys.exit(0)

# The low-level calls: exec_run() of the high-level ones gives no exit status together with a stream.
try:
    created = client.api.exec_create(sys.argv[1], sys.argv[2:])
    for out, err in client.api.exec_start(created["Id"], stream=True, demux=True):
        if out:
            sys.stdout.buffer.write(out)
            sys.stdout.flush()
        if err:
            sys.stderr.buffer.write(err)
            sys.stderr.flush()
    sys.exit(client.api.exec_inspect(created["Id"])["ExitCode"])
except docker.errors.APIError as error:
    sys.exit(error.explanation)
