/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/authz.h"

#include <fcntl.h>
#include <string.h>

#include "base/fd.h"
#include "base/log.h"
#include "core/audit.h"
#include "core/authz-record.h"
#include "core/authz-service.h"
#include "core/command-line.h"
#include "core/manager.h"
#include "core/selinux-access.h"
#include "wire/user-spec.h"

#define FLAG_INTERACTION UINT32_C(1)

#define COMMAND_LINE_MAX 1024

static const char *const action_names[_AUTHZ_ACTION_MAX] = {
        [AUTHZ_INSPECT] = "org.execd1.inspect",
        [AUTHZ_EXEC] = "org.execd1.exec",
        [AUTHZ_EXEC_PRIVILEGED] = "org.execd1.exec-privileged",
        [AUTHZ_EXEC_SERVICE] = "org.execd1.exec-service",
        [AUTHZ_EXEC_SERVICE_USER] = "org.execd1.exec-service-user",
        [AUTHZ_MANAGE] = "org.execd1.manage",
        [AUTHZ_REPLAY] = "org.execd1.replay",
};

struct Authz {
        Peer *peer;
        AuthzAction action;
        PolkitQuestion *question; /* until it is answered */
        AuthzRecord record;
        bool probe, interactive, is_challenge;
        authz_callback_t callback;
        void *userdata;
};

Authz *authz_free(Authz *a)
{
        if (!a)
                return NULL;
        a->question = polkit_question_free(a->question);
        authz_record_done(&a->record);
        peer_unref(a->peer);
        return mfree(a);
}

bool authz_is_challenge(const Authz *a)
{
        return a->is_challenge;
}

static int deny(const Authz *a, Refusal *reterr, const char *why)
{
        return refuse(reterr, REFUSAL_DENIED, EACCES, "access denied: %s is not authorized (%s)",
                      action_names[a->action], why);
}

/* A polkit that is slow or just restarts has not said no: the caller may try again. */
static int postpone(const Authz *a, Refusal *reterr, int error, const char *why)
{
        return refuse(reterr, REFUSAL_UNAVAILABLE, error, "failed to authorize %s: %s, try again",
                      action_names[a->action], why);
}

static bool authz_may_ask_again(const sd_bus_error *e)
{
        return sd_bus_error_has_names(e, SD_BUS_ERROR_NO_REPLY, SD_BUS_ERROR_TIMEOUT,
                                      SD_BUS_ERROR_DISCONNECTED, "org.freedesktop.DBus.Error.TimedOut");
}

static int authz_judge_error(const Authz *a, const sd_bus_error *e, Refusal *reterr)
{
        /* The bus counts unanswered calls, and ours are not the only ones that polkit is sent. */
        if (sd_bus_error_has_name(e, SD_BUS_ERROR_LIMITS_EXCEEDED))
                return refuse(reterr, REFUSAL_BUSY, EBUSY, "too many polkit requests, try again");
        log_warning("Failed to ask polkit for %s: %s", action_names[a->action], e->message ?: e->name);
        if (authz_may_ask_again(e))
                return postpone(a, reterr, EAGAIN, "polkit ended before it answered");
        return deny(a, reterr, "polkit did not answer");
}

/* The verdict on a reply. The caller's identity must have held to the end: where polkit knows only pids, the
 * pid could by now belong to another process. */
static int authz_judge(Authz *a, sd_bus_message *reply, Refusal *reterr)
{
        int authorized = 0, challenge = 0, r;

        if (sd_bus_message_is_method_error(reply, NULL))
                return authz_judge_error(a, sd_bus_message_get_error(reply), reterr);
        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r >= 0)
                r = sd_bus_message_read(reply, "bb", &authorized, &challenge);
        if (r < 0)
                return deny(a, reterr, "invalid reply from polkit");
        if (a->peer->pidfd >= 0 && pidfd_is_alive(a->peer->pidfd) != 1)
                return deny(a, reterr, "the caller has exited");
        a->is_challenge = !authorized && challenge;
        if (!authorized)
                return deny(a, reterr,
                            challenge ? "interactive authentication is required" : "refused by polkit");
        return 0;
}

static void authz_on_outcome(void *userdata, PolkitOutcome outcome, sd_bus_message *reply)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        Authz *a = userdata;
        int r;

        a->question = NULL;
        if (outcome == POLKIT_ANSWERED)
                r = authz_judge(a, reply, &refusal);
        else if (outcome == POLKIT_LATE)
                r = postpone(a, &refusal, ETIMEDOUT,
                             a->interactive ? "polkit did not answer in time "
                                              "(InteractiveAuthorizationTimeoutSec=)"
                                            : "polkit did not answer in time (AuthorizationTimeoutSec=)");
        else
                r = refuse(&refusal, REFUSAL_BUSY, EBUSY,
                           "too many authorizations are in progress (AuthorizationsPerUserMax=, "
                           "AuthorizationsMax=): timed out waiting for a turn; try again");
        if (r < 0 && !a->probe)
                authz_record_refusal(&a->record, &refusal);
        a->callback(a->userdata, r < 0 ? &refusal : NULL);
}

/* polkit reads the start time itself if it is 0; execd must not, see base/origin.h. execd checks the pidfd
 * after the answer, so that the start time is the caller's. */
static int append_process(sd_bus_message *m, const Peer *p)
{
        const uint64_t start_time = 0;

        /* pidfd is for polkit 124 and later, which then looks at nothing but it and the uid. */
        if (p->pidfd >= 0)
                return sd_bus_message_append(m, "(sa{sv})", "unix-process", 4, "pid", "u", (uint32_t) p->pid,
                                             "start-time", "t", start_time, "uid", "i", (int32_t) p->uid,
                                             "pidfd", "h", p->pidfd);
        return sd_bus_message_append(m, "(sa{sv})", "unix-process", 3, "pid", "u", (uint32_t) p->pid,
                                     "start-time", "t", start_time, "uid", "i", (int32_t) p->uid);
}

/* Rules compare texts, and people read them in a prompt: one user has one text, and nothing of the request
 * reaches a terminal as it is. */
static int append_request(sd_bus_message *m, const AuthzQuestion *q)
{
        const char *flag[] = {"false", "true"}, *requested = q->request->user ?: "";
        _cleanup_free_ char *user = NULL, *shown = NULL, *program = NULL;
        _cleanup_(user_spec_done) UserSpec spec = USER_SPEC_INIT;

        /* One that cannot be any user is refused after this. */
        if (user_spec_parse(requested, &spec, NULL) >= 0)
                user = user_spec_normalize(&spec);
        else
                user = strdup(requested);
        if (user)
                shown = command_line_escape((char *[]){user, NULL}, COMMAND_LINE_MAX);
        program = command_line_escape((char *[]){q->request->argv[0], NULL}, COMMAND_LINE_MAX);
        if (!shown || !program)
                return -ENOMEM;
        return sd_bus_message_append(m, "{ss}{ss}{ss}{ss}{ss}{ss}", "user", shown, "user_requested",
                                     requested, "program", program, "command_line", q->command_line, "tty",
                                     flag[q->request->tty], "privileged", flag[q->request->privileged]);
}

static int append_details(sd_bus_message *m, const AuthzQuestion *q)
{
        int r;

        r = sd_bus_message_open_container(m, 'a', "{ss}");
        if (r >= 0 && q->container)
                r = sd_bus_message_append(m, "{ss}{ss}{ss}", "container", q->container->name, "container_id",
                                          q->container->id, "container_kind", q->container->kind);
        if (r >= 0 && q->container)
                r = sd_bus_message_append(m, "{ss}{ss}", "unit", q->container->unit ?: "", "confined",
                                          q->container->confined ? "true" : "false");
        if (r >= 0 && q->request)
                r = append_request(m, q);
        if (r >= 0 && q->exec_id)
                r = sd_bus_message_append(m, "{ss}{ss}", "exec_id", q->exec_id, "verb", q->verb);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

static int authz_ask(Manager *m, Authz *a, const AuthzQuestion *q, Refusal *reterr)
{
        const PolkitOptions options = {
                .uid = q->peer->uid,
                .wait_usec = m->config.authz_usec,
                .answer_usec = q->interactive ? m->config.authz_interactive_usec : m->config.authz_usec,
                .callback = authz_on_outcome,
                .userdata = a,
        };
        sd_bus_message *call; /* the question's */
        const char *id;
        int r;

        r = polkit_question_new(m->polkit, &a->question, &call, &id);
        if (r < 0)
                return r;
        r = q->peer->bus_name ? sd_bus_message_append(call, "(sa{sv})", "system-bus-name", 1, "name", "s",
                                                      q->peer->bus_name)
                              : append_process(call, q->peer);
        if (r >= 0)
                r = sd_bus_message_append(call, "s", action_names[a->action]);
        if (r >= 0)
                r = append_details(call, q);
        if (r >= 0)
                r = sd_bus_message_append(call, "us", q->interactive ? FLAG_INTERACTION : 0, id);
        return r < 0 ? r : polkit_question_ask(a->question, &options, reterr);
}

/* Starting another's exec is running its command, and reading its output is attaching to it. */
static SelinuxPermission selinux_permission(const AuthzQuestion *q)
{
        bool privileged = q->action == AUTHZ_EXEC_PRIVILEGED || (q->request && q->request->privileged);
        const char *verb = q->verb ?: "";

        if (q->action == AUTHZ_EXEC || q->action == AUTHZ_EXEC_PRIVILEGED || strcmp(verb, "start") == 0) {
                if (authz_is_in_service(q))
                        return SELINUX_EXEC_SERVICE;
                return privileged ? SELINUX_EXEC_PRIVILEGED : SELINUX_EXEC;
        }
        if (strcmp(verb, "kill") == 0)
                return SELINUX_KILL;
        if (q->action == AUTHZ_MANAGE || q->action == AUTHZ_REPLAY)
                return SELINUX_ATTACH;
        return SELINUX_LIST;
}

/* A connection can be held by others after the process that made it has exited. */
static int check_origin(const Peer *p, Refusal *reterr)
{
        if (p->foreign)
                return refuse(reterr, REFUSAL_DENIED, EACCES,
                              "access denied: the caller is not a process of the host: %s", p->foreign);
        if (p->pidfd >= 0 && pidfd_is_alive(p->pidfd) != 1)
                return refuse(reterr, REFUSAL_DENIED, EACCES,
                              "access denied: the process that connected has exited");
        return 0;
}

int authz_check_origin(Manager *m, const Peer *p, Refusal *reterr)
{
        int r = check_origin(p, reterr);
        const AuditDenial denial = {.peer = p, .action = "org.execd1", .verb = "connect"};

        if (r < 0)
                denials_add(m->denials, &denial, reterr);
        return r;
}

static int authz_begin(Manager *m, const AuthzQuestion *q, authz_callback_t callback, void *userdata,
                       Authz **ret, Refusal *reterr)
{
        _cleanup_(authz_freep) Authz *a = NULL;
        AuthzAction action = authz_service_action(q);
        int r;

        r = check_origin(q->peer, reterr);
        if (r >= 0)
                r = authz_check_service(q, reterr);
        if (r < 0)
                return r;
        r = selinux_access_check(m->spawner, q->peer, q->container, selinux_permission(q), q->command_line,
                                 reterr);
        if (r < 0)
                return r;
        if (q->peer->uid == 0 || (q->owner && q->owner->uid == q->peer->uid))
                return 1;
        a = calloc(1, sizeof(Authz));
        if (!a)
                return -ENOMEM;
        a->peer = peer_ref(q->peer);
        a->action = action;
        a->probe = q->probe;
        a->interactive = q->interactive;
        a->callback = callback;
        a->userdata = userdata;
        r = authz_record_init(&a->record, m->denials, action_names[action], q);
        if (r < 0)
                return r;
        if (!m->polkit)
                return deny(a, reterr, "not connected to the system bus");
        r = authz_ask(m, a, q, reterr);
        if (r < 0 && reterr->kind == REFUSAL_BUSY)
                return r;
        if (r < 0) {
                log_error_errno(r, "Failed to ask polkit");
                return deny(a, reterr, "failed to ask polkit");
        }
        *ret = TAKE_PTR(a);
        return 0;
}

int authz_check(Manager *m, const AuthzQuestion *q, authz_callback_t callback, void *userdata, Authz **ret,
                Refusal *reterr)
{
        _cleanup_(authz_record_done) AuthzRecord record = {0};
        int r = authz_begin(m, q, callback, userdata, ret, reterr);

        if (r < 0 && !q->probe &&
            authz_record_init(&record, m->denials, action_names[authz_service_action(q)], q) >= 0)
                authz_record_refusal(&record, reterr);
        return r;
}
