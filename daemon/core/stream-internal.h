/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the parts of core/stream. Each calls those after it and none before it: stream.c (the turn) and
 * stream-restore.c (from one execd to the next), stream-output.c, stream-log.c, stream-client.c,
 * stream-input.c, stream-state.c (what is in the map and in slots). */

#include "base/list.h"
#include "core/keep.h"
#include "core/stream-map.h"
#include "core/stream.h"

/* The largest piece that is read from a command at once on the copying path, as dockerd does. */
#define STREAM_CHUNK (32 * 1024)

/* From this many bytes waiting in a pipe on, they are spliced; the last OUTPUT_RING_REPLAY of them are copied,
 * so that a client which joins later sees them. */
#define STREAM_BULK_MIN (128 * 1024)

/* A client's send buffer: large enough that a splice is not cut short by a reader that is a little late.
 * The kernel allows what net.core.wmem_max says. */
#define STREAM_SEND_BUFFER (1024 * 1024)

/* A command that had so much copied without a break writes as fast as it is read: reading rests for a
 * moment, so that its pipe fills and the rest is spliced. */
#define STREAM_REST_AFTER (256 * 1024)
#define STREAM_REST_USEC  150

/* The largest piece of output that goes to the log at once: with its type, a packet of PIPE_BUF bytes. */
#define STREAM_LOG_CHUNK 4095

/* How long a client that has been shut down may take to close its side. */
#define STREAM_LINGER_USEC (5 * USEC_PER_SEC)

/* The response head has been read when the socket's send queue is empty; this much later output may follow,
 * and at the latest after GATE_MAX: a client that has not read the head reads no output either. Some clients
 * lose what arrives together with the head. */
#define STREAM_GATE_POLL_USEC  50 /* at first, then twice as long each time */
#define STREAM_GATE_POLL_MAX   (2 * USEC_PER_MSEC)
#define STREAM_GATE_POLL_SLOW  (20 * USEC_PER_MSEC) /* when it has taken 100 ms already */
#define STREAM_GATE_AFTER_USEC 500                  /* at least */
#define STREAM_GATE_MAX_USEC   (5 * USEC_PER_SEC)

typedef struct StreamOutput {
        Stream *stream; /* weak */
        FrameType type;
        int fd; /* owned; negative when at its end */
        sd_event_source *source;
        bool limited; /* only `limit` more bytes are taken */
        uint64_t limit;
        size_t copied;         /* bytes since it was last seen empty */
        sd_event_source *rest; /* a timer; NULL when it was never needed */
        bool resting;
        bool dry; /* there was nothing to read; epoll(7) reports more */
} StreamOutput;

typedef struct StreamClient {
        Stream *stream; /* weak */
        ListNode node;
        int fd; /* owned */
        uid_t uid;
        pid_t pid;
        sd_event_source *source;
        sd_event_source *timer; /* the gate, later the linger */
        uint64_t position;      /* in the ring */
        uint64_t frame_left;    /* bytes of the current frame still to send */
        uint8_t bulk_header[FRAME_HEADER_SIZE];
        size_t bulk_header_left;
        uint64_t bulk_left;        /* bytes still to be spliced from bulk_output */
        uint32_t bulk_tail;        /* bytes to copy after them, of the same frame */
        StreamOutput *bulk_output; /* weak */
        Buf input;                 /* came with the request, for the command */
        unsigned index;            /* in the map; STREAM_MAP_CLIENTS: it is not there */
        Slot *slot;                /* where its socket is kept; NULL when it is not */
        uint64_t gate_opened;      /* when the send queue was first seen empty */
        uint64_t gate_deadline;
        uint64_t gate_after; /* how long it stays closed from then on */
        uint64_t gate_poll;  /* how long until it is looked at again */
        bool raw, want_stdout, want_stderr, primary;
        bool gated;
        bool early_lost;  /* the input that came with the request is not in the map */
        bool blocked;     /* the socket takes no more for now */
        bool dry;         /* there was nothing to read; epoll(7) reports more */
        bool input_eof;   /* nothing more comes from it */
        bool output_dead; /* nothing more can be sent to it */
        bool ended;       /* its stream is over: flush, shut down, linger */
        bool shut;        /* shut down, lingering */
        bool gone;        /* to be freed at the end of the turn */
} StreamClient;

typedef struct StreamLog {
        int fd; /* owned; negative without a log */
        sd_event_source *source;
        Slot *slot; /* where fd is kept */
        bool full;  /* as it was last seen */
} StreamLog;

typedef struct StreamInput {
        int fd; /* owned unless tty; negative when closed */
        sd_event_source *source;
        Buf pending; /* scanned bytes that the command has not taken */
        DetachKeys keys;
        DetachScanner scanner;
        StreamClient *writer; /* weak */
        uint64_t received;    /* how many times something was received into the map */
        Slot *slot;           /* where fd is kept */
        bool blocked;
        bool was_set; /* there is a command to write to, or was */
        bool at_end;  /* close when pending is empty */
} StreamInput;

struct Stream {
        sd_event *event; /* weak: the manager outlives its streams */
        StreamEvents events;
        void *userdata;
        bool tty;
        bool begun;        /* the command's side is complete, so its end can come */
        bool output_ended; /* on_output_end was called */
        bool finished;
        bool keep_output; /* after the end */
        bool in_turn;
        /* stream.c's, for the parts: takes a turn, and serves the fds that they watch. */
        void (*turn)(Stream *s);
        sd_event_io_handler_t on_io;
        StreamOutput outputs[2];
        size_t n_outputs;
        StreamInput input;
        StreamLog log;
        bool observer_full; /* as it was last seen */
        List clients;
        size_t n_clients, told_clients;  /* as on_clients was called with */
        const StreamClient *told_writer; /* only compared */
        OutputRing output_ring;
        StreamMap *map; /* owned; NULL before the first client or output, and after the end */
        int map_fd;     /* owned; negative when the map is not shared */
        SlotPool *pool; /* weak; NULL while nothing is kept */
        const char *id; /* of the exec, weak */
        int stage[2];   /* owned: bulk output on its way */
        size_t staged;  /* bytes in it */
        Slot *stage_slot;
};

/* stream-output.c: true when something moved. */
bool stream_output_read(StreamOutput *o);
uint32_t stream_output_wants(const StreamOutput *o);
void stream_output_close(StreamOutput *o);
void stream_output_tell(Stream *s);

/* stream-log.c: whether the log has room for the largest read; without a log there is always room. */
bool stream_log_has_room(Stream *s);
void stream_log_write(Stream *s, FrameType type, const struct iovec *iov, int n_iov);
void stream_log_close(Stream *s);
void stream_log_keep(Stream *s);

/* stream-client.c */
bool stream_client_write(StreamClient *c);
bool stream_client_in_bulk(const StreamClient *c);
/* Starts to splice the bytes that wait in `o`, if it is worth it and this client is alone and caught up. */
bool stream_client_start_bulk(StreamClient *c, StreamOutput *o, size_t waiting);
void stream_client_cut_off(StreamClient *c);
void stream_client_update(StreamClient *c);
/* Takes a client whose members are set into the stream; frees it on failure. Nothing moves yet. */
int stream_client_join(Stream *s, StreamClient *c, bool writer);
StreamClient *stream_client_free(StreamClient *c);

/* stream-state.c */
void stream_drop_map(Stream *s);
/* Fills in the state that is to hold next; stream_client_commit() makes it hold. */
ClientState *stream_client_state(StreamClient *c, ClientSend send);
void stream_client_commit(StreamClient *c);
void stream_client_publish(StreamClient *c);
/* Sends, and records the number of sent bytes in the map at once. As send(2). */
ssize_t stream_client_send(StreamClient *c, ClientSend what, const struct iovec *iov, int n_iov, int flags);
void stream_client_take_index(StreamClient *c);
void stream_client_drop_index(StreamClient *c);
void stream_keep_client(StreamClient *c);
/* Marks an operation as pending, and, before its result is written, as no longer pending. */
void stream_input_publish(Stream *s);
void stream_input_announce(Stream *s);
/* Receives from a client into the map. As recv(2). */
ssize_t stream_input_receive(Stream *s, StreamClient *c, uint8_t **ret);
/* Reads one frame of `size` of the `available` bytes into the ring. As read(2). */
ssize_t stream_output_receive(StreamOutput *o, size_t size, size_t available);
int stream_need_stage(Stream *s);
void stream_empty_stage(Stream *s, FrameType type);
void stream_drop_stage(Stream *s);

/* stream-input.c */
bool stream_input_pump(Stream *s);
void stream_input_close(Stream *s);
uint32_t stream_input_wants(const Stream *s);
bool stream_client_reads(const StreamClient *c);
