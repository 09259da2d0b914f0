/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/stream.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "base/fd.h"
#include "core/stream-internal.h"

/* Rounds of one turn before other event sources get their chance. */
#define STREAM_ROUNDS 32

static void watch_set(sd_event_source *source, bool enabled, uint32_t events)
{
        if (!source)
                return;
        if (enabled)
                (void) sd_event_source_set_io_events(source, events);
        (void) sd_event_source_set_enabled(source, enabled ? SD_EVENT_ON : SD_EVENT_OFF);
}

/* Derives the events to wait for from the state of each part. */
static void stream_update(Stream *s)
{
        uint32_t wants;

        for (size_t i = 0; i < s->n_outputs; i++) {
                wants = stream_output_wants(&s->outputs[i]);
                watch_set(s->outputs[i].source, wants != 0, wants);
        }
        watch_set(s->log.source, s->log.full, EPOLLOUT);
        wants = stream_input_wants(s);
        watch_set(s->input.source, wants != 0, wants);
        LIST_FOREACH (StreamClient, c, &s->clients, node) {
                stream_client_update(c);
                stream_client_publish(c);
        }
}

/* Frees clients that are gone. Returns whether the one that started the exec has closed its connection. */
static bool stream_collect_clients(Stream *s)
{
        bool primary_gone = false;

        LIST_FOREACH (StreamClient, c, &s->clients, node) {
                if (c->primary && c->output_dead && !c->ended) {
                        c->primary = false;
                        primary_gone = true;
                }
                if (c->gone)
                        stream_client_free(c);
        }
        return primary_gone;
}

/* The start and the end of the command report changes of before and after them. */
static bool stream_clients_changed(Stream *s)
{
        bool changed = s->n_clients != s->told_clients || s->input.writer != s->told_writer;

        s->told_clients = s->n_clients;
        s->told_writer = s->input.writer;
        return changed && s->begun && !s->finished;
}

static void stream_turn(Stream *s)
{
        bool moved = true, primary_gone;

        if (s->in_turn)
                return;
        s->in_turn = true;

        for (unsigned round = 0; moved && round < STREAM_ROUNDS; round++) {
                moved = false;
                for (size_t i = 0; i < s->n_outputs; i++)
                        moved = stream_output_read(&s->outputs[i]) || moved;
                LIST_FOREACH (StreamClient, entry, &s->clients, node)
                        moved = stream_client_write(entry) || moved;
                moved = stream_input_pump(s) || moved;
        }

        primary_gone = stream_collect_clients(s);
        if (s->finished && s->n_clients == 0) {
                if (s->keep_output)
                        output_ring_trim(&s->output_ring);
                else
                        output_ring_done(&s->output_ring);
                stream_drop_stage(s);
                stream_drop_map(s);
        }
        stream_update(s);
        s->in_turn = false;

        if (primary_gone && !s->finished && s->events.on_client_gone)
                s->events.on_client_gone(s->userdata);
        if (s->begun && !s->output_ended && !ARRAY_FIND(s->outputs, s->n_outputs, o, o->fd >= 0)) {
                s->output_ended = true;
                stream_log_close(s);
                if (s->events.on_output_end)
                        s->events.on_output_end(s->userdata);
        }
        if (stream_clients_changed(s) && s->events.on_clients)
                s->events.on_clients(s->userdata);
}

static int stream_on_io(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
        Stream *s = userdata;

        /* Blocked transfers may be possible again; reads and writes find out. */
        s->input.blocked = false;
        for (size_t i = 0; i < s->n_outputs; i++)
                if (s->outputs[i].fd == fd)
                        s->outputs[i].dry = false;
        LIST_FOREACH (StreamClient, c, &s->clients, node) {
                if (c->fd != fd)
                        continue;
                c->blocked = c->dry = false;
                if (revents & (EPOLLHUP | EPOLLERR))
                        c->output_dead = true;
        }
        stream_turn(s);
        return 0;
}

Stream *stream_new(sd_event *event, const StreamEvents *events, void *userdata)
{
        Stream *s = calloc(1, sizeof(Stream));

        if (!s)
                return NULL;
        s->event = event;
        s->events = *events;
        s->userdata = userdata;
        s->turn = stream_turn;
        s->on_io = stream_on_io;
        s->input.fd = s->log.fd = s->map_fd = s->stage[0] = s->stage[1] = -EBADF;
        for (size_t i = 0; i < ELEMENTSOF(s->outputs); i++)
                s->outputs[i] = (StreamOutput){.stream = s, .fd = -EBADF};
        return s;
}

Stream *stream_free(Stream *s)
{
        if (!s)
                return NULL;
        LIST_FOREACH (StreamClient, entry, &s->clients, node)
                stream_client_free(entry);
        stream_input_close(s);
        for (size_t i = 0; i < s->n_outputs; i++)
                stream_output_close(&s->outputs[i]);
        stream_drop_stage(s);
        stream_log_close(s);
        output_ring_done(&s->output_ring);
        stream_drop_map(s);
        return mfree(s);
}

OutputRing *stream_output_ring(Stream *s)
{
        return &s->output_ring;
}

int stream_map_fd(const Stream *s)
{
        return s->map_fd;
}

void stream_set_recorded(Stream *s, uint64_t usec)
{
        if (s->map)
                stream_map_store64(&s->map->recorded, usec);
}

uint64_t stream_recorded(const Stream *s)
{
        return s->map ? s->map->recorded : 0;
}

int stream_output_fd(const Stream *s, FrameType type)
{
        for (size_t i = 0; i < s->n_outputs; i++)
                if (s->outputs[i].type == type)
                        return s->outputs[i].fd;
        return -EBADF;
}

/* Watches an fd; the source starts disabled and stream_turn() decides. */
static int stream_watch(Stream *s, int fd, sd_event_source **ret)
{
        int r;

        r = fd_set_nonblock(fd, true);
        if (r < 0)
                return r;
        r = sd_event_add_io(s->event, ret, fd, 0, stream_on_io, s);
        if (r < 0)
                return r;
        return sd_event_source_set_enabled(*ret, SD_EVENT_OFF);
}

int stream_set_output(Stream *s, FrameType type, int fd)
{
        StreamOutput *o;

        if (s->n_outputs >= ELEMENTSOF(s->outputs)) {
                fd_close(fd);
                return -EBUSY;
        }
        o = &s->outputs[s->n_outputs++];
        o->type = type;
        o->fd = fd;
        return stream_watch(s, fd, &o->source);
}

int stream_set_input(Stream *s, int fd)
{
        int r;

        s->input.was_set = true;
        if (fd < 0)
                return 0;
        s->input.fd = fd;
        r = stream_watch(s, fd, &s->input.source);
        if (r < 0)
                return r;
        if (!s->input.writer)
                s->input.at_end = true;
        return 0;
}

int stream_set_tty(Stream *s, int master, const DetachKeys *detach_keys)
{
        int copy;

        assert(s->n_outputs == 0 && !s->input.was_set);
        s->tty = true;
        s->input.keys = detach_keys->n_keys > 0 || detach_keys->off ? *detach_keys : detach_keys_default;
        s->input.scanner = (DetachScanner){.keys = &s->input.keys};

        /* The same file under a second fd, because one fd can be watched only once. */
        copy = fcntl(master, F_DUPFD_CLOEXEC, 3);
        if (copy < 0) {
                int r = -errno;

                fd_close(master);
                return r;
        }
        s->input.fd = copy;
        s->input.was_set = true;
        if (stream_watch(s, copy, &s->input.source) < 0) {
                fd_close(master);
                return -ENOMEM;
        }
        return stream_set_output(s, FRAME_STDOUT, master);
}

int stream_set_log(Stream *s, int fd, Slot *slot)
{
        int r;

        stream_log_close(s);
        s->log.fd = fd;
        s->log.slot = slot;
        r = stream_watch(s, fd, &s->log.source);
        if (r < 0)
                stream_log_close(s);
        return r;
}

void stream_begin(Stream *s)
{
        assert(!s->begun);
        (void) stream_need_map(s);
        s->begun = true;
        stream_turn(s);
}

int stream_resize(Stream *s, uint16_t rows, uint16_t columns)
{
        struct winsize size = {.ws_row = rows, .ws_col = columns};

        if (!s->tty || s->n_outputs == 0 || s->outputs[0].fd < 0)
                return 0;
        return ioctl(s->outputs[0].fd, TIOCSWINSZ, &size) < 0 ? -errno : 0;
}

void stream_hang_up(Stream *s)
{
        stream_input_close(s);
        for (size_t i = 0; i < s->n_outputs; i++)
                stream_output_close(&s->outputs[i]);
        stream_turn(s);
}

int stream_add_client(Stream *s, StreamClientOptions *o)
{
        StreamClient *c = calloc(1, sizeof(StreamClient));
        int r;

        if (!c) {
                fd_close(TAKE_FD(o->fd));
                buf_done(&o->input);
                return -ENOMEM;
        }
        *c = (StreamClient){
                .stream = s,
                .fd = TAKE_FD(o->fd),
                .uid = o->uid,
                .pid = o->pid,
                .index = STREAM_MAP_CLIENTS,
                .input = o->input,
                .raw = o->raw,
                .want_stdout = o->want_stdout,
                .want_stderr = o->want_stderr,
                .primary = o->primary,
                .gated = o->gate,
                .gate_after = o->gate_usec,
                .position = o->replay ? output_ring_replay_position(&s->output_ring) : s->output_ring.end,
        };
        o->input = BUF_INIT;
        r = stream_client_join(s, c, o->writer);
        if (r >= 0)
                stream_turn(s);
        return r;
}

bool stream_has_writer(const Stream *s)
{
        return s->input.writer;
}

size_t stream_count_clients(const Stream *s)
{
        return s->n_clients;
}

void stream_ignore_output(Stream *s)
{
        s->events.on_output = NULL;
        s->observer_full = false;
}

void stream_wake(Stream *s)
{
        s->observer_full = false;
        stream_turn(s);
}

void stream_release_idle(Stream *s)
{
        if (!s)
                return;
        LIST_FOREACH (StreamClient, c, &s->clients, node) {
                if (!c->want_stdout && !c->want_stderr && s->input.writer != c)
                        c->ended = true;
        }
        stream_turn(s);
}

void stream_inject(Stream *s, const char *text)
{
        LIST_FOREACH (StreamClient, entry, &s->clients, node)
                entry->want_stdout = true;
        (void) stream_need_map(s);
        (void) output_ring_append(&s->output_ring, FRAME_STDOUT, text,
                                  MIN(strlen(text), output_ring_replay(&s->output_ring)));
        if (s->map)
                stream_map_store64(&s->map->observed, s->output_ring.end);
        stream_turn(s);
}

void stream_drain_rest(Stream *s)
{
        for (size_t i = 0; i < s->n_outputs; i++) {
                StreamOutput *o = &s->outputs[i];
                int waiting = 0;

                if (o->fd < 0 || o->limited)
                        continue;
                (void) ioctl(o->fd, FIONREAD, &waiting);
                o->dry = false;
                o->limited = true;
                o->limit = waiting > 0 ? (uint64_t) waiting : 0;
        }
        stream_turn(s);
}

void stream_finish(Stream *s, bool keep_output)
{
        s->keep_output = keep_output;
        s->finished = true;
        s->input.was_set = true;
        stream_input_close(s);
        for (size_t i = 0; i < s->n_outputs; i++)
                stream_output_close(&s->outputs[i]);
        stream_turn(s);
}
