/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Methods of the manager that create an exec, and those that also start it. */

#include "api/dbus-methods.h"
#include "api/dbus-options.h"
#include "api/dbus-path.h"
#include "api/dbus-start.h"
#include "core/exec-create.h"
#include "core/exec-recording.h"

typedef struct CreateCall {
        DbusStart start; /* where it is started, too */
        char *reference;
        ExecRequest *request;
        ExecCreation *creation;
} CreateCall;

/* The stdin, stdout and stderr of the command. */
typedef enum Stdio {
        STDIO_STREAM, /* a stream of ours, that clients attach to */
        STDIO_PASSED, /* pipes of the caller's */
        STDIO_PIPED,  /* pipes whose other ends the caller gets */
} Stdio;

/* How CreateExec, Run, RunExec and RunPiped differ. */
typedef struct CreateVariant {
        bool with_options;
        Stdio stdio;
        void (*created)(DbusStart *s);
} CreateVariant;

static void create_done(DbusCall *c)
{
        CreateCall *k = LIST_ENTRY(c, CreateCall, start.call);

        exec_creation_free(k->creation);
        exec_request_free(k->request);
        free(k->reference);
        dbus_start_done(c);
}

static void reply_exec(DbusStart *s)
{
        const Exec *e = s->call.exec;
        char path[DBUS_EXEC_PATH_SIZE];

        dbus_call_reply(&s->call, "so", e->id, dbus_exec_path(e, path));
}

static void create_on_created(void *userdata, Exec *e, const Refusal *refusal)
{
        CreateCall *k = userdata;

        if (refusal) {
                dbus_call_refuse(&k->start.call, refusal);
                return;
        }
        k->start.call.exec = exec_ref(e);
        k->creation = exec_creation_free(k->creation);
        ((const CreateVariant *) k->start.call.method->variant)->created(&k->start);
}

static void create_known(DbusCall *c)
{
        CreateCall *k = LIST_ENTRY(c, CreateCall, start.call);
        ExecCreationOptions o = {
                .peer = c->peer,
                .reference = k->reference,
                .request = TAKE_PTR(k->request),
                .interactive = sd_bus_message_get_allow_interactive_authorization(c->message) > 0,
        };
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

        if (exec_create(c->manager, &o, create_on_created, k, &k->creation, &refusal) < 0)
                dbus_call_refuse(c, &refusal);
}

static int create_read(DbusCall *c, sd_bus_message *m, Refusal *reterr)
{
        CreateCall *k = LIST_ENTRY(c, CreateCall, start.call);
        const CreateVariant *v = c->method->variant;
        bool with_pipes = v->stdio != STDIO_STREAM;
        int r;

        dbus_start_init(&k->start);
        r = dbus_read_reference(m, &k->reference, reterr);
        if (r >= 0)
                r = dbus_read_request(m, v->with_options, &k->request, reterr);
        if (r >= 0 && with_pipes)
                r = dbus_start_read_pipes(m, &k->start, v->stdio == STDIO_PASSED, reterr);
        if (r >= 0 && with_pipes && k->request->tty)
                r = refuse(
                        reterr, REFUSAL_BAD_REQUEST, EINVAL,
                        "Tty: an exec with a terminal cannot get pipes, use CreateExec and StartAttached");
        /* Of all others when they are created. */
        if (r >= 0 && with_pipes)
                r = exec_recording_decide(&c->manager->exec_env, k->request, with_pipes, reterr);
        if (r < 0)
                return r;
        c->size = exec_request_size(k->request); /* as the message has them */
        return 0;
}

static void run_on_state(ExecWatch *w, Exec *e)
{
        DbusStart *s = LIST_ENTRY(w, DbusStart, watch);
        char path[DBUS_EXEC_PATH_SIZE];

        if (exec_has_ended(e))
                dbus_call_reply(&s->call, "io", e->exit_code, dbus_exec_path(e, path));
}

static void run_started(DbusStart *s)
{
        exec_watch(s->call.exec, &s->watch, run_on_state);
        if (exec_has_ended(s->call.exec))
                run_on_state(&s->watch, s->call.exec);
}

static void run_created(DbusStart *s)
{
        dbus_start_exec(s, true, run_started);
}

static void run_exec_created(DbusStart *s)
{
        dbus_start_exec(s, false, reply_exec);
}

static void reply_exec_and_pipes(DbusStart *s)
{
        const Exec *e = s->call.exec;
        char path[DBUS_EXEC_PATH_SIZE];
        const int *fds = e->stdio;

        if (fds[2] < 0)
                dbus_call_fail(&s->call, -EIO);
        else
                dbus_call_reply(&s->call, "sohhh", e->id, dbus_exec_path(e, path), fds[0], fds[1], fds[2]);
}

static void run_piped_created(DbusStart *s)
{
        dbus_start_exec(s, false, reply_exec_and_pipes);
}

#define CREATE_CALL \
        .size = sizeof(CreateCall), .read = create_read, .known = create_known, .done = create_done

const DbusMethod dbus_create_methods[] = {
        {"CreateExec", CREATE_CALL, .variant = &(const CreateVariant){true, STDIO_STREAM, reply_exec}},
        {"Run", CREATE_CALL, .variant = &(const CreateVariant){false, STDIO_STREAM, run_created}},
        {"RunExec", CREATE_CALL, .variant = &(const CreateVariant){true, STDIO_PASSED, run_exec_created}},
        {"RunPiped", CREATE_CALL, .variant = &(const CreateVariant){true, STDIO_PIPED, run_piped_created}},
        {NULL},
};
