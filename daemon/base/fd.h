/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* File descriptors: passing them over sockets, reading small files whole, processes as pidfds. */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/cleanup.h"

/* Most file descriptors that one message of ours carries. */
#define FD_PASS_MAX 16

int fd_set_nonblock(int fd, bool on);

/* Sends one datagram with fds over a SOCK_SEQPACKET socket. 0 or -errno. */
int fd_send_message(int socket, const void *data, size_t size, const int *fds, size_t n_fds);

/* Receives one datagram and its fds (O_CLOEXEC, owned by the caller). Returns its size, 0 at the end of the
 * stream, -EMSGSIZE when data or fds were cut (nothing is kept then), or another -errno. All messages come
 * before the end, also where the other end has not read its own. */
ssize_t fd_recv_message(int socket, void *data, size_t size, int *ret_fds, size_t max_fds,
                        size_t *ret_n_fds);

/* The same, but the message stays in the queue, and the fds are further ones for the same files. Never
 * waits. */
ssize_t fd_peek_message(int socket, void *data, size_t size, int *ret_fds, size_t max_fds,
                        size_t *ret_n_fds);

/* To a file, which never takes less than it can. */
int fd_write_all(int fd, const void *data, size_t size);

/* A sealed memfd with these bytes, or -errno; and all bytes of a sealed memfd of at most `max` bytes. */
int memfd_sealed(const char *name, const void *data, size_t size);
int memfd_read(int fd, size_t max, char **ret, size_t *ret_size);

/* Reads a file below a directory fd whole, with a NUL added. More than `max` bytes is -EFBIG. */
int file_read_at(int dir_fd, const char *path, size_t max, char **ret, size_t *ret_size);

int pidfd_open_pid(pid_t pid);
/* 1 while the process lives (or is unreaped), 0 when it is gone, or -errno. */
int pidfd_is_alive(int pidfd);
int pidfd_signal(int pidfd, int signal_number);
/* The pid in our pid namespace, or -ESRCH. */
int pidfd_get_pid(int pidfd, pid_t *ret);

/* The directory of a process in /proc (O_PATH), found by its number. */
int proc_open(pid_t pid);
/* The start time of a process in clock ticks since boot (field 22 of stat), through a /proc/PID dirfd. */
int proc_start_time(int proc_fd, uint64_t *ret);
