/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/authz-service: access to services of the host, before polkit is asked. */

#include "core/authz-service.h"

#include "unit/need.h"
#include "unit/test.h"

enum { ALLOWED, DENIED, BAD };

typedef struct Row {
        const char *row;
        uid_t caller, leader;
        const char *user; /* of the service; NULL: it has stopped */
        int owner;        /* uid, or -1: there is none */
        AuthzAction action;
        const char *as; /* whom the command is to run as */
        bool privileged, unconfined;
        int verdict;
        AuthzAction asked_as;
} Row;

static const Row rows[] = {
        {"a user, in another user's", 1000, 33, "www", -1, AUTHZ_EXEC, "www",
         .asked_as = AUTHZ_EXEC_SERVICE},
        {"as nobody in particular", 1000, 33, "www", -1, AUTHZ_EXEC, NULL,
         .asked_as = AUTHZ_EXEC_SERVICE_USER},
        {"as another", 1000, 33, "www", -1, AUTHZ_EXEC, "root", .asked_as = AUTHZ_EXEC_SERVICE_USER},
        {"privileged", 1000, 33, "www", -1, AUTHZ_EXEC_PRIVILEGED, "www", true, .verdict = DENIED,
         .asked_as = AUTHZ_EXEC_SERVICE},
        {"in root's", 1000, 0, "", -1, AUTHZ_EXEC, "", .verdict = DENIED, .asked_as = AUTHZ_EXEC_SERVICE},
        {"to look at root's", 1000, 0, "", -1, AUTHZ_INSPECT, NULL, .asked_as = AUTHZ_INSPECT},
        {"to attach in root's", 1000, 0, "", 1000, AUTHZ_MANAGE, NULL, .verdict = DENIED,
         .asked_as = AUTHZ_MANAGE},
        {"to attach in another user's", 1000, 33, "www", 1001, AUTHZ_MANAGE, NULL, .asked_as = AUTHZ_MANAGE},
        {"it has stopped; root's exec", 1000, 0, NULL, 0, AUTHZ_REPLAY, NULL, .verdict = DENIED,
         .asked_as = AUTHZ_REPLAY},
        {"it has stopped; a user's exec", 1000, 0, NULL, 1001, AUTHZ_REPLAY, NULL, .asked_as = AUTHZ_REPLAY},
        {"it has stopped; nobody's exec", 1000, 0, NULL, -1, AUTHZ_MANAGE, NULL, .verdict = DENIED,
         .asked_as = AUTHZ_MANAGE},
        {"root, in root's", 0, 0, "", -1, AUTHZ_EXEC, "", .asked_as = AUTHZ_EXEC_SERVICE},
        {"root, in one that is not confined", 0, 0, "", -1, AUTHZ_EXEC, "", .unconfined = true,
         .verdict = BAD, .asked_as = AUTHZ_EXEC_SERVICE},
        {"root, in one that is not confined, and says so", 0, 0, "", -1, AUTHZ_EXEC_PRIVILEGED, "", true,
         true, .asked_as = AUTHZ_EXEC_SERVICE},
};

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                const Row *t = &rows[i];
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                bool is_exec = t->action == AUTHZ_EXEC || t->action == AUTHZ_EXEC_PRIVILEGED;
                ContainerInfo container = {
                        .name = (char *) "web.service",
                        .kind = (char *) "service",
                        .user = (char *) t->user,
                        .leader_uid = t->leader,
                        .confined = !t->unconfined,
                };
                ExecRequest request = {.user = (char *) t->as, .privileged = t->privileged};
                Peer peer = {.uid = t->caller}, owner = {.uid = (uid_t) t->owner};
                const AuthzQuestion q = {
                        .action = t->action,
                        .peer = &peer,
                        .container = &container,
                        .request = is_exec ? &request : NULL,
                        .owner = t->owner >= 0 ? &owner : NULL,
                };
                int r = authz_check_service(&q, &refusal);

                CHECK_ROW(t->row, (r < 0) == (t->verdict != ALLOWED));
                CHECK_ROW(t->row, t->verdict != DENIED || refusal.kind == REFUSAL_DENIED);
                CHECK_ROW(t->row, t->verdict != BAD || refusal.kind == REFUSAL_BAD_REQUEST);
                CHECK_ROW(t->row, authz_service_action(&q) == t->asked_as);
                /* All this is about services only. */
                container.kind = (char *) "docker";
                refusal_done(&refusal);
                CHECK_ROW(t->row, authz_check_service(&q, &refusal) == 0);
                CHECK_ROW(t->row, authz_service_action(&q) == t->action);
        }
        return test_finish("authz-service");
}
