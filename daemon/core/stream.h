/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * The streams of one exec: command ⇄ clients.
 *
 * Output is read from the command's pipes (or its pty) into an OutputRing, from which each client takes it at
 * its own pace; the slowest client holds up the command, and nothing is dropped. With one client that has
 * caught up and much to carry, the bytes go from pipe to socket by splice(2) without being touched. Input
 * flows from one client, the writer, to the command.
 *
 * The events to wait for on each fd are computed anew after each turn from the state (stream_update()), never
 * remembered. A client's end-of-file is not a hang-up: it ends the input only.
 */

#include <stdbool.h>
#include <systemd/sd-event.h>

#include "base/buf.h"
#include "core/output-ring.h"
#include "core/slot.h"
#include "wire/detach-keys.h"

typedef struct Stream Stream;

typedef struct StreamEvents {
        /* Every output has reached its end, or the drain that was asked for is complete. */
        void (*on_output_end)(void *userdata);
        /* The client that started the exec closed its connection while the command runs. */
        void (*on_client_gone)(void *userdata);
        /* The detach keys were typed: that client's stream ends, the command lives on. */
        void (*on_detached)(void *userdata);
        /* Output as it comes; while set, nothing bypasses it. */
        void (*on_output)(void *userdata, FrameType type, const void *data, size_t size);
        /* Before output is read: false while nothing more can be observed. Then stream_wake() follows. */
        bool (*has_room)(void *userdata);
        /* While the command runs: clients have come or gone, or another one has the input. */
        void (*on_clients)(void *userdata);
} StreamEvents;

typedef struct StreamClientOptions {
        int fd;    /* taken, also on failure */
        uid_t uid; /* whose it is */
        pid_t pid; /* a name for observers */
        Buf input; /* taken: bytes that arrived after the request */
        bool raw;  /* no frames, and of stdout only */
        bool want_stdout;
        bool want_stderr;
        bool writer;        /* its input goes to the command */
        bool primary;       /* it started the exec: on_client_gone is called when it disconnects */
        bool replay;        /* begins with the recent output */
        bool gate;          /* let the client read the response head before the first byte follows */
        uint64_t gate_usec; /* and how long after that it follows */
} StreamClientOptions;

/* `events` is copied; members may be NULL. */
Stream *stream_new(sd_event *event, const StreamEvents *events, void *userdata);
Stream *stream_free(Stream *s);
DEFINE_CLEANUP(Stream, stream_free);

/* The command's side; each fd is taken, also on failure. A tty's master is both input and output. Nothing
 * moves before stream_begin(). */
int stream_set_output(Stream *s, FrameType type, int fd);
int stream_set_input(Stream *s, int fd); /* negative: the command reads from elsewhere */
int stream_set_tty(Stream *s, int master, const DetachKeys *detach_keys);
/* The writing end of a packet pipe (O_DIRECT) that all output goes to as well, each packet with its
 * FrameType before it. Taken, also on failure; with the slot where it is kept, or NULL. */
int stream_set_log(Stream *s, int fd, Slot *slot);
void stream_begin(Stream *s);

/* Memory that outlives execd, from when there is a client or output on; -ENOMEM. */
int stream_need_map(Stream *s);
/* From now on slots of `pool` hold all that the next execd needs to go on; `id` (weak) is the ID of the
 * exec. */
void stream_keep(Stream *s, SlotPool *pool, const char *id);
/* The memfd of the stream's map: weak, negative when there is none. */
int stream_map_fd(const Stream *s);

/* Gives up the stream and leaves what is in the slots to the next execd; of the clients only if they are to
 * be served on. Then it can only be freed. */
void stream_leave(Stream *s, bool with_clients);

/* The restored parts of a stream. Fds and slots that are used are taken from here. */
typedef struct StreamFound {
        int map, stage[2];
        int *clients; /* weak; by their index in the map */
        Slot *stdin_slot, *stage_slot;
        Slot **client_slots; /* weak, as the clients */
        size_t n_clients;
} StreamFound;

/* Into a stream that has its command's fds, but has not begun. 0, -ENOMEM, or -EBADMSG: then the stream has
 * no clients, and its ring is empty. */
int stream_restore(Stream *s, StreamFound *f);

/* The client that started the exec could not be served on, now or at an earlier end of execd. */
bool stream_was_cut(const Stream *s);

/* The end of the exec was recorded, which is so after a crash, too. */
void stream_set_recorded(Stream *s, uint64_t usec);
uint64_t stream_recorded(const Stream *s); /* 0: not yet */

int stream_resize(Stream *s, uint16_t rows, uint16_t columns);

/* Closes a tty's master, so that its session is hung up. */
void stream_hang_up(Stream *s);

int stream_add_client(Stream *s, StreamClientOptions *o);
bool stream_has_writer(const Stream *s);
size_t stream_count_clients(const Stream *s);

typedef struct StreamClientInfo {
        uid_t uid; /* (uid_t) -1: unknown */
        pid_t pid; /* 0: likewise */
        bool has_input;
} StreamClientInfo;

/* Those that are served, in the order in which they came; at most `max`. */
size_t stream_list_clients(const Stream *s, StreamClientInfo *ret, size_t max);

/* The output is no longer observed: on_output is not called again. */
void stream_ignore_output(Stream *s);

/* More can be observed. */
void stream_wake(Stream *s);

/* The command runs: clients that asked for none of its streams have nothing to wait for. */
void stream_release_idle(Stream *s);

/* A text of ours in the output, as stdout, for every client: the error before the command ran. */
void stream_inject(Stream *s, const char *text);

/* The command has ended: output that it has written until now is still delivered, then on_output_end comes even if
 * another process holds the pipes open. */
void stream_drain_rest(Stream *s);

/* Nothing more will come: each client is flushed, shut down and closed. Then the recent output is dropped,
 * unless it is to be kept. */
void stream_finish(Stream *s, bool keep_output);

OutputRing *stream_output_ring(Stream *s);

/* The source of the output: weak, negative at its end. A terminal is stdout. */
int stream_output_fd(const Stream *s, FrameType type);
