# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does one thing with the mounts of another process.
usage: in-mounts.py PID tmpfs DIR | selinuxfs DIR | bind FROM TO | bind-link LINK LINK | write FILE TEXT | link TEXT FILE"""

import ctypes
import errno
import os
import sys

MS_RDONLY = 1
MS_REMOUNT = 32
MS_BIND = 4096
pid, verb, words = sys.argv[1], sys.argv[2], [w.encode() for w in sys.argv[3:]]
libc = ctypes.CDLL(None, use_errno=True)


def mount(what, where, kind, flags, unless=None):
    if libc.mount(what, where, kind, flags, None) < 0 and ctypes.get_errno() != unless:
        sys.exit(f"{verb} {words}: {os.strerror(ctypes.get_errno())}")


namespace = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY)
os.setns(namespace, os.CLONE_NEWNS)
if verb == "tmpfs":
    mount(b"tmpfs", words[0], b"tmpfs", 0)
elif verb == "selinuxfs":
    mount(b"selinuxfs", words[0], b"selinuxfs", 0, unless=errno.EBUSY)  # it is there already
    mount(None, words[0], None, MS_REMOUNT | MS_BIND | MS_RDONLY)
elif verb == "bind":
    mount(words[0], words[1], None, MS_BIND)
elif verb == "bind-link":
    # The links themselves and not what they lead to.
    ends = [os.open(word, os.O_PATH | os.O_NOFOLLOW) for word in words]
    tree = libc.syscall(428, ends[0], b"", 1 | 0x1000)  # open_tree(OPEN_TREE_CLONE | AT_EMPTY_PATH)
    if tree < 0 or libc.syscall(429, tree, b"", ends[1], b"", 0x4 | 0x40) < 0:  # move_mount(…_EMPTY_PATH, …_EMPTY_PATH)
        sys.exit(f"{verb} {words}: {os.strerror(ctypes.get_errno())}")
elif verb == "write":
    os.makedirs(os.path.dirname(words[0]), exist_ok=True)
    with open(words[0], "wb") as f:
        f.write(words[1])
elif verb == "link":
    os.symlink(words[0], words[1])
else:
    sys.exit(f"what is {verb}?")
