/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* GET /exec/{id}/recording: the file, as far as it is written. */

#include "api/http-fetch.h"
#include "api/http-need.h"
#include "api/http-route.h"
#include "core/exec-access.h"
#include "core/exec-recording.h"

#define PIECE          (64 * 1024)

#define TYPE_RECORDING "application/x-asciicast"

typedef struct RecordingTask {
        HttpTask task;
        RecorderQuestion *question;
} RecordingTask;

/* In the helper. It does not send events that are added to the file from now on. */
static void read_file(int socket, void *userdata)
{
        uint64_t left = *(const uint64_t *) userdata;
        static char piece[PIECE];
        ssize_t n;

        fetch_answer(socket, 0, left);
        while (left > 0) {
                n = read(HELPER_FD, piece, (size_t) MIN(left, (uint64_t) PIECE));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                fetch_write(socket, piece, (size_t) n);
                left -= (uint64_t) n;
        }
}

static void recording_on_opened(void *userdata, int error, int fd, uint64_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        HttpExchange *x = userdata;
        const FetchJob job = {.run = read_file, .userdata = &size, .uid = peer_share(x->peer), .fd = fd};

        HTTP_TASK(x, RecordingTask)->question = NULL;
        if (exec_recording_opened(x->exec, error, &refusal) < 0 ||
            exec_access_replay(x->exec, x->peer, "from its recording", &refusal) < 0 ||
            http_fetch(x, &job, TYPE_RECORDING, "failed to read the recording", &refusal) < 0)
                http_reply_refusal(x, &refusal);
}

static int recording_run(HttpExchange *x, Refusal *reterr)
{
        return exec_recording_open(x->exec, recording_on_opened, x, &HTTP_TASK(x, RecordingTask)->question,
                                   reterr);
}

static void recording_done(HttpTask *t)
{
        recorder_question_free(LIST_ENTRY(t, RecordingTask, task)->question);
}

int http_get_recording(HttpExchange *x, Refusal *reterr)
{
        RecordingTask *t = HTTP_TASK_NEW(x, RecordingTask);

        if (!t)
                return -ENOMEM;
        t->task.done = recording_done;
        return http_need_exec(x, AUTHZ_REPLAY, "replay", recording_run, reterr);
}
