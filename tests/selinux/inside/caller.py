# SPDX-License-Identifier: LGPL-2.1-or-later
"""One request to execd, to be run in the domain of a caller: prints 'STATUS MESSAGE'.
usage: caller.py METHOD PATH [BODY]"""

import json
import sys

import client

method, path = sys.argv[1:3]
body = json.loads(sys.argv[3]) if len(sys.argv) > 3 else None
try:
    if path.endswith(("/attach", "/start")):
        with client.connect() as s:
            s.sendall(client.request_bytes(method, path, body, [("Connection", "Upgrade"), ("Upgrade", "tcp")]))
            status, _, rest = client.read_head(s)
            print(status, rest.decode(errors="replace"))
    else:
        reply = client.request(method, path, body)
        print(reply.status, reply.body.decode(errors="replace"))
except OSError as e:
    print(0, e)
