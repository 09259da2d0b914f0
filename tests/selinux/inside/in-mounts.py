# SPDX-License-Identifier: LGPL-2.1-or-later
"""Does something with the mounts of another process, one step after the other: PID STEP [-- STEP…]
STEP: tmpfs DIR | selinuxfs DIR | bind FROM TO | bind-link LINK LINK | write FILE TEXT | link TEXT FILE"""

import ctypes
import errno
import os
import sys

MS_RDONLY = 1
MS_REMOUNT = 32
MS_BIND = 4096
libc = ctypes.CDLL(None, use_errno=True)


def mount(what, where, kind, flags, unless=None):
    if libc.mount(what, where, kind, flags, None) < 0 and ctypes.get_errno() != unless:
        sys.exit(f"{what} on {where}: {os.strerror(ctypes.get_errno())}")


def bind_link(links):
    """The links themselves and not what they lead to."""
    ends = [os.open(link, os.O_PATH | os.O_NOFOLLOW) for link in links]
    tree = libc.syscall(428, ends[0], b"", 1 | 0x1000)  # open_tree(OPEN_TREE_CLONE | AT_EMPTY_PATH)
    if tree < 0 or libc.syscall(429, tree, b"", ends[1], b"", 0x4 | 0x40) < 0:  # move_mount(…_EMPTY_PATH, …_EMPTY_PATH)
        sys.exit(f"{links}: {os.strerror(ctypes.get_errno())}")


def do(verb, words):
    if verb == "tmpfs":
        mount(b"tmpfs", words[0], b"tmpfs", 0)
    elif verb == "selinuxfs":
        mount(b"selinuxfs", words[0], b"selinuxfs", 0, unless=errno.EBUSY)  # it is there already
        mount(None, words[0], None, MS_REMOUNT | MS_BIND | MS_RDONLY)
    elif verb == "bind":
        mount(words[0], words[1], None, MS_BIND)
    elif verb == "bind-link":
        bind_link(words)
    elif verb == "write":
        os.makedirs(os.path.dirname(words[0]), exist_ok=True)
        with open(words[0], "wb") as f:
            f.write(words[1])
    elif verb == "link":
        os.symlink(words[0], words[1])
    else:
        sys.exit(f"what is {verb}?")


os.setns(os.open(f"/proc/{sys.argv[1]}/ns/mnt", os.O_RDONLY), os.CLONE_NEWNS)
rest = sys.argv[2:]
while rest:
    end = rest.index("--") if "--" in rest else len(rest)
    do(rest[0], [word.encode() for word in rest[1:end]])
    rest = rest[end + 1:]
