/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/recorder-process.h"

#include <poll.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "core/recorder-protocol.h"
#include "core/recording-file.h"

/* How long until files that another process still writes are looked at again. */
#define RECOVER_AGAIN_MSEC 1000

typedef struct RecorderProcess {
        int socket;
        RecordingStore *store;
        List files;
        bool recovers; /* another process was writing a file */
} RecorderProcess;

/* execd reads its messages, or has ended. */
static void send_message(const RecorderProcess *p, const RecorderMessage *m, const char *text, int fd)
{
        char packet[sizeof(*m) + 256];
        size_t size = MIN(strlen(text ?: ""), sizeof(packet) - sizeof(*m));

        memcpy(packet, m, sizeof(*m));
        memcpy(packet + sizeof(*m), text ?: "", size);
        (void) fd_send_message(p->socket, packet, sizeof(*m) + size, &fd, fd >= 0 ? 1 : 0);
}

static void answer(const RecorderProcess *p, uint64_t ref, int error, uint64_t size, int fd)
{
        send_message(p,
                     &(RecorderMessage){.type = RECORDER_ANSWER, .ref = ref, .error = error, .value = size},
                     NULL, fd);
}

static void tell_over(const RecorderProcess *p, uint64_t ref, int error, const char *why)
{
        send_message(p, &(RecorderMessage){.type = RECORDER_OVER, .ref = ref, .error = error}, why, -EBADF);
}

/* Those that are written to are found soon. */
static RecordingFile *find_file(RecorderProcess *p, uint64_t ref)
{
        return LIST_FIND(RecordingFile, f, &p->files, node, f->ref == ref);
}

static void write_file(const RecorderProcess *p, RecordingFile *f, const char *data, size_t size)
{
        _cleanup_free_ char *why = NULL;

        if (recording_file_write(f, data, size, &why))
                tell_over(p, f->ref, 0, why ?: "because there is no memory");
}

static void acknowledge(const RecorderProcess *p, RecordingFile *f, size_t size)
{
        f->unacked += size;
        if (f->unacked < RECORDER_ACK)
                return;
        send_message(p, &(RecorderMessage){.type = RECORDER_WRITTEN, .ref = f->ref, .value = f->unacked},
                     NULL, -EBADF);
        f->unacked = 0;
}

static void begin_file(RecorderProcess *p, const RecorderMessage *m, const char *data, size_t size)
{
        RecordingFile *f = NULL;
        int r;

        if (m->type == RECORDER_NEW)
                r = recording_file_new(p->store, m->id, m->uid, m->value, &f);
        else
                r = recording_file_resume(p->store, m->id, true, &f);
        if (r < 0) {
                tell_over(p, m->ref, r, NULL);
                return;
        }
        f->ref = m->ref;
        list_append(&p->files, &f->node);
        if (m->type == RECORDER_NEW)
                write_file(p, f, data, size);
        else if (m->value > 0 && !f->over)
                f->began = m->value;
}

static void end_file(RecorderProcess *p, const RecorderMessage *m, const char *data, size_t size)
{
        RecordingFile *f = find_file(p, m->ref);
        int r = 0;

        if (f) {
                write_file(p, f, data, size);
                list_remove(&p->files, &f->node);
                if (m->type == RECORDER_END)
                        r = recording_file_end(f);
                else
                        recording_file_suspend(f);
        }
        send_message(p, &(RecorderMessage){.type = RECORDER_CLOSED, .ref = m->ref, .error = r}, NULL,
                     -EBADF);
}

static void answer_open(const RecorderProcess *p, const RecorderMessage *m)
{
        _cleanup_close_ int fd = -EBADF;
        struct stat st = {0};
        int r = recording_store_read(p->store, m->id, &fd);

        if (r >= 0 && fstat(fd, &st) < 0)
                r = -errno;
        answer(p, m->ref, r, (uint64_t) st.st_size, r < 0 ? -EBADF : fd);
}

static void handle(RecorderProcess *p, const RecorderMessage *m, const char *data, size_t size)
{
        RecordingFile *f;

        switch (m->type) {
        case RECORDER_LIMITS:
                p->store->options.size_max = m->value;
                p->store->options.total_max = m->total;
                break;
        case RECORDER_PROBE:
                answer(p, m->ref, recording_store_open(p->store), 0, -EBADF);
                break;
        case RECORDER_OPEN:
                answer_open(p, m);
                break;
        case RECORDER_RECOVER:
                p->recovers = recording_files_recover(p->store) > 0;
                break;
        case RECORDER_NEW:
        case RECORDER_RESUME:
                begin_file(p, m, data, size);
                break;
        case RECORDER_DATA:
                f = find_file(p, m->ref);
                if (!f)
                        break;
                write_file(p, f, data, size);
                acknowledge(p, f, size);
                break;
        case RECORDER_END:
        case RECORDER_SUSPEND:
                end_file(p, m, data, size);
                break;
        default:
                break;
        }
}

/* False at the end. */
static bool receive(RecorderProcess *p)
{
        static char packet[sizeof(RecorderMessage) + RECORDER_DATA_MAX];
        RecorderMessage m;
        int none;
        ssize_t n;

        n = fd_recv_message(p->socket, packet, sizeof(packet), &none, 0, NULL);
        if (n < (ssize_t) sizeof(m))
                return n > 0;
        memcpy(&m, packet, sizeof(m));
        handle(p, &m, packet + sizeof(m), (size_t) n - sizeof(m));
        return true;
}

static bool wait_for_message(RecorderProcess *p)
{
        struct pollfd fd = {.fd = p->socket, .events = POLLIN};

        if (!p->recovers || poll(&fd, 1, RECOVER_AGAIN_MSEC) != 0)
                return true;
        p->recovers = recording_files_recover(p->store) > 0;
        return false;
}

void recorder_process_run(int socket, const RecordingStoreOptions *options)
{
        RecorderProcess p = {.socket = socket, .store = recording_store_new(options)};

        if (!p.store)
                return;
        while (!wait_for_message(&p) || receive(&p))
                ;
        /* execd has crashed: the next one goes on with them. */
        LIST_FOREACH (RecordingFile, f, &p.files, node)
                recording_file_suspend(f);
        recording_store_free(p.store);
}
