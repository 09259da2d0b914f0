/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Namespaces of a process, by number and as open files, and how user namespaces are related. */

#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"

typedef enum NamespaceType {
        NS_MNT,
        NS_PID,
        NS_NET,
        NS_IPC,
        NS_UTS,
        NS_CGROUP,
        NS_USER,
        NS_TIME,
        _NS_MAX,
} NamespaceType;

typedef struct Namespaces {
        uint64_t device;
        uint64_t inode[_NS_MAX]; /* 0 where the kernel does not have the type */
} Namespaces;

/* Open files of /proc/PID/ns: owned, or negative. */
typedef struct NamespaceFds {
        int fds[_NS_MAX];
} NamespaceFds;

#define NAMESPACE_FDS_INIT ((NamespaceFds){{-EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF, -EBADF}})

void namespace_fds_done(NamespaceFds *f);
#define _cleanup_namespace_fds_ _cleanup_(namespace_fds_done)

/* Namespaces of a container that differ from ours, for all of its execs. As long as they are open, no other namespaces
 * have the same numbers. */
typedef struct NamespaceSet {
        unsigned n_ref;
        NamespaceFds files; /* owned */
} NamespaceSet;

/* Takes the files. */
NamespaceSet *namespace_set_new(NamespaceFds *files);
NamespaceSet *namespace_set_ref(NamespaceSet *s);
NamespaceSet *namespace_set_unref(NamespaceSet *s);

/* Remembers our own namespaces and the namespaces of the host's PID 1. Called once, at the start. */
int namespaces_init(void);
const Namespaces *namespaces_own(void);
const Namespaces *namespaces_host(void);
/* The capabilities that the host's PID 1 may give. */
uint64_t namespaces_host_bounding(void);

/* The CLONE_NEW flag of a type, and its name for people. */
uint64_t namespace_flag(NamespaceType type);
const char *namespace_title(NamespaceType type);

/* Through a /proc/PID directory: the numbers, or the files with their numbers. */
int namespaces_read(int proc_fd, Namespaces *ret);
int namespaces_open(int proc_fd, NamespaceFds *ret, Namespaces *ret_numbers);
/* Nothing but the numbers, for which the kernel makes no files: to look again whether they are the same. */
int namespaces_read_numbers(int proc_fd, uint64_t ret[static _NS_MAX]);
int namespace_read_number(int proc_fd, NamespaceType type, uint64_t *ret);

/* The CLONE_NEW flags of those that differ from ours. */
uint64_t namespaces_to_join(const Namespaces *n);

/* The fd of the user namespace that owns this namespace, or -errno. */
int namespace_owner(int fd);
/* 1 if a user namespace is the one with this number or lies below it, 0 if not, or -errno. */
int user_namespace_is_within(int fd, uint64_t inode);
/* 1 if a user namespace is a child of ours and was made by our root, 0 if not, or -errno. */
int user_namespace_is_by_root(int fd);
/* The user who made it; root for the first one. */
int user_namespace_maker(int fd, uint32_t *ret);
