# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does one thing with the mounts of another process.
usage: in-mounts.py PID tmpfs DIR | bind FROM TO | write FILE TEXT | link TEXT FILE"""

import ctypes
import os
import sys

MS_BIND = 4096
pid, verb, words = sys.argv[1], sys.argv[2], [w.encode() for w in sys.argv[3:]]
libc = ctypes.CDLL(None, use_errno=True)


def mount(what, where, kind, flags):
    if libc.mount(what, where, kind, flags, None) < 0:
        sys.exit(f"{verb} {words}: {os.strerror(ctypes.get_errno())}")


namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
os.setns(namespace, os.CLONE_NEWNS)
if verb == "tmpfs":
    mount(b"tmpfs", words[0], b"tmpfs", 0)
elif verb == "bind":
    mount(words[0], words[1], None, MS_BIND)
elif verb == "write":
    os.makedirs(os.path.dirname(words[0]), exist_ok=True)
    with open(words[0], "wb") as f:
        f.write(words[1])
elif verb == "link":
    os.symlink(words[0], words[1])
else:
    sys.exit(f"what is {verb}?")
