/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager that find recordings, which are on a disk: nothing here waits for it. */

#include <string.h>

#include "api/dbus-append.h"
#include "api/dbus-call.h"
#include "api/dbus-methods.h"
#include "api/dbus-options.h"
#include "core/exec-access.h"
#include "core/exec-recording.h"

/* Bytes of an entry of ListRecordings. */
#define LISTED_SIZE 512

typedef struct GetCall {
        DbusCall call;
        const char *id; /* in the message */
        RecorderQuestion *question;
} GetCall;

static void get_on_opened(void *userdata, int error, int fd, uint64_t size)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        DbusCall *c = userdata;

        DBUS_CALL(c, GetCall)->question = NULL;
        if (exec_recording_opened(c->exec, error, &refusal) < 0 ||
            exec_access_replay(c->exec, c->peer, "from its recording", &refusal) < 0)
                dbus_call_refuse(c, &refusal);
        else
                dbus_call_reply(c, "h", fd);
}

static void get_run(DbusCall *c)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_recording_open(c->exec, get_on_opened, c, &DBUS_CALL(c, GetCall)->question, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static const DbusAct replay_act = {AUTHZ_REPLAY, "replay", get_run};

static void get_authorize(DbusCall *c)
{
        dbus_call_authorize_act(c, &replay_act);
}

static void get_find(DbusCall *c)
{
        dbus_call_find_exec(c, NULL, DBUS_CALL(c, GetCall)->id, get_authorize);
}

static void get_done(DbusCall *c)
{
        recorder_question_free(DBUS_CALL(c, GetCall)->question);
}

static int get_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        return dbus_read_id(m, &DBUS_CALL(c, GetCall)->id, reterr);
}

/* Recordings outlive what execd remembers of their execs. */

typedef struct ListCall {
        DbusCall call;
        Fetch *fetch;
        uint64_t size;
        Buf found; /* RecordingListed */
} ListCall;

/* In the helper. Without a directory there are no recordings. */
static void read_list(int socket, void *path)
{
        _cleanup_free_ RecordingListed *list = NULL;
        size_t n = 0;

        (void) recordings_list(path, &list, &n);
        fetch_answer(socket, 0, n * sizeof(*list));
        if (n > 0)
                fetch_write(socket, list, n * sizeof(*list));
}

static int append_recording(const ListCall *k, sd_bus_message *reply, const RecordingListed *l)
{
        const DbusCall *c = &k->call;
        const Exec *e = manager_find_exec(c->manager, l->id);
        _cleanup_free_ char *path = NULL;

        if (!c->may_see_all && (!e || e->creator->uid != c->peer->uid))
                return 0;
        path = recorder_path_of(c->manager->recorder, l->id);
        if (!path)
                return -ENOMEM;
        return sd_bus_message_append(reply, "(sstt)", l->id, path, l->size,
                                     (uint64_t) l->finished * USEC_PER_SEC);
}

static void list_reply(ListCall *k)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const RecordingListed *list = (const RecordingListed *) buf_head(&k->found);
        size_t n = buf_length(&k->found) / sizeof(*list);
        int r;

        if (!dbus_call_reserve(&k->call, n * LISTED_SIZE))
                return;
        r = dbus_reply_new_array(k->call.message, "(sstt)", &reply);
        for (size_t i = 0; i < n && r >= 0; i++)
                r = append_recording(k, reply, &list[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(reply);
        dbus_call_finish(&k->call, r, reply);
}

static void list_fail(ListCall *k, int error)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        (void) refuse(&refusal, REFUSAL_UNAVAILABLE, error, "failed to list the recordings in %s: %s",
                      recorder_path(k->call.manager->recorder), strerror(-error));
        dbus_call_refuse(&k->call, &refusal);
}

static void list_on_data(void *userdata)
{
        ListCall *k = userdata;
        int r = fetch_collect(k->fetch, &k->found, k->size);

        if (r < 0)
                list_fail(k, r);
        else if (r > 0)
                list_reply(k);
}

static void list_on_answer(void *userdata, int error, uint64_t size)
{
        ListCall *k = userdata;

        if (error >= 0 && size > RECORDINGS_MAX * sizeof(RecordingListed))
                error = -EFBIG;
        if (error < 0) {
                list_fail(k, error);
                return;
        }
        k->size = size;
        list_on_data(k);
}

static void list_run(DbusCall *c)
{
        static const FetchEvents events = {.on_answer = list_on_answer, .on_data = list_on_data};
        const FetchJob job = {
                .run = read_list,
                .userdata = (void *) recorder_path(c->manager->recorder),
                .uid = peer_share(c->peer),
        };
        ListCall *k = DBUS_CALL(c, ListCall);
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (fetch_new(c->manager->helpers, &job, &events, k, &k->fetch, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static void list_done(DbusCall *c)
{
        ListCall *k = DBUS_CALL(c, ListCall);

        fetch_free(k->fetch);
        buf_done(&k->found);
}

const DbusMethod dbus_recording_methods[] = {
        {"GetRecording", sizeof(GetCall), get_read, get_find, get_done},
        {"ListRecordings", sizeof(ListCall), .done = list_done,
         .act = {AUTHZ_REPLAY, "list", list_run, .shows_part = true}},
        {NULL},
};
