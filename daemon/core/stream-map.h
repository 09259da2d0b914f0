/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The memory of a stream, in a memfd that outlives execd: the ring of output, the position of each client,
 * and input that the command has not taken. Another process that maps it after a crash, or after a planned
 * restart, goes on with the exact byte.
 *
 * A process can be killed between any two instructions, also within a system call, which is then completed
 * by the kernel but whose result is lost. Therefore
 *
 *  - related values are written twice in turn, and one store says which copy holds;
 *  - the kernel itself writes how much was sent to a client, and received of its input, into the msg_len
 * of sendmmsg(2) and recvmmsg(2), which lies in the map;
 *  - a read from the command is announced first, and is of no more bytes than are waiting, so that it was
 * done in full or not at all; random bytes in the place of the last bytes show which;
 *  - spliced bytes pass a pipe of our own (the stage), which tells how much it still holds.
 *
 * Only a write to a terminal, or to a pipe from memory, leaves a window of one write(2): its bytes are lost
 * then, and never written twice.
 */

#include <stdbool.h>
#include <sys/socket.h>

#include "core/output-ring.h"

#define STREAM_MAP_MAGIC      "execd m1" /* another layout is another magic */
#define STREAM_MAP_CLIENTS    32         /* further clients are served, and are lost in a crash */
#define STREAM_MAP_RAW        4096       /* bytes of input that are received at once */
#define STREAM_MAP_EARLY      (32 * 1024)
#define STREAM_MAP_PENDING    (64 * 1024)
#define STREAM_MAP_RING_MAX   (128 * 1024 * 1024)
#define STREAM_MAP_NONCE_SIZE 16

enum {
        CLIENT_RAW = 1 << 0,
        CLIENT_STDOUT = 1 << 1,
        CLIENT_STDERR = 1 << 2,
        CLIENT_PRIMARY = 1 << 3,
        CLIENT_GATED = 1 << 4,
        CLIENT_INPUT_EOF = 1 << 5,
        CLIENT_OUTPUT_DEAD = 1 << 6,
        CLIENT_ENDED = 1 << 7,
        CLIENT_SHUT = 1 << 8,
        CLIENT_WRITER = 1 << 9,
        CLIENT_INPUT_LOST = 1 << 10, /* more came with its request than there is room for */
};

typedef enum ClientSend {
        SEND_NOTHING,
        SEND_RING,
        SEND_BULK_HEADER,
        SEND_BULK, /* from the stage */
} ClientSend;

/* A consistent copy. With `send`, bytes that were sent since then still have to be counted. */
typedef struct ClientState {
        uint64_t position, frame_left, bulk_left;
        uint64_t staged; /* bytes in the stage before it was sent from */
        uint32_t bulk_tail, bulk_header_left, bulk_type;
        uint32_t flags;
        uint32_t send;
        uint32_t early; /* bytes that came with its request and that the command has not been given */
        uint8_t bulk_header[FRAME_HEADER_SIZE];
        struct mmsghdr message; /* msg_len is the kernel's */
        struct iovec iov[2];
} ClientState;

typedef struct ClientMap {
        uint32_t used;
        uint32_t current; /* which of the states */
        ClientState states[2];
} ClientMap;

enum {
        INPUT_SET = 1 << 0,
        INPUT_AT_END = 1 << 1,
        INPUT_LOST = 1 << 2, /* more is pending than there is room for */
};

typedef struct InputState {
        uint64_t taken;   /* the last receive whose bytes have been dealt with */
        uint32_t pending; /* bytes */
        uint32_t matched; /* of the detach keys */
        uint32_t flags;
        uint32_t zero;
} InputState;

/* A read that was begun. When the end of the ring has moved since, it has been dealt with. */
typedef struct ReadIntent {
        uint64_t position; /* the end of the ring before it */
        uint64_t available;
        uint32_t size;
        uint32_t type;
        uint8_t nonce[STREAM_MAP_NONCE_SIZE];
} ReadIntent;

typedef struct StreamMap {
        char magic[8];
        uint64_t ring_size;
        OutputRingPositions output_ring;
        uint64_t observed; /* the observers of the stream have seen output before this position */
        uint64_t recorded; /* when the exec ended, once that has been recorded */
        uint64_t cut;      /* the client that started the exec was cut off */
        ReadIntent reading;
        uint64_t input_current;
        InputState input[2];
        uint64_t received; /* number of the last receive */
        struct mmsghdr receive;
        struct iovec receive_iov;
        ClientMap clients[STREAM_MAP_CLIENTS];
        uint8_t raw[STREAM_MAP_RAW];
        uint8_t early[STREAM_MAP_EARLY + STREAM_MAP_RAW];
        uint8_t pending[2][STREAM_MAP_PENDING];
        uint8_t ring[];
} StreamMap;

/* A new map with a ring of this size. Where memfds cannot be had it is memory of the process, and the fd
 * negative. */
int stream_map_new(size_t ring_size, StreamMap **ret, int *ret_fd);
/* Opens a map in an fd (weak), after checking its size only. -EBADMSG when it is not a map. */
int stream_map_open(int fd, StreamMap **ret);
StreamMap *stream_map_free(StreamMap *m);

/* Announces a read of `size` of `available` bytes, which are to go into the pieces. */
void stream_map_announce(StreamMap *m, uint64_t position, FrameType type, const struct iovec *iov, int n_iov,
                         size_t size, size_t available);
/* Whether the announced read was done: the pieces are its destination, `available` the bytes that wait
 * now. */
bool stream_map_was_read(const StreamMap *m, const struct iovec *iov, int n_iov, size_t available);

static inline void stream_map_store32(uint32_t *to, uint32_t value)
{
        __atomic_store_n(to, value, __ATOMIC_RELEASE);
}

static inline void stream_map_store64(uint64_t *to, uint64_t value)
{
        __atomic_store_n(to, value, __ATOMIC_RELEASE);
}
