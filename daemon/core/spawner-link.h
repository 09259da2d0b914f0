/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * execd's side of the private connection to execd-spawner (dbus/org.execd1.Spawner.xml). It is opened when
 * first needed and closed when unused for a while, so that the spawner can leave; the socket unit starts it
 * again. Calls are asynchronous: the caller keeps the slot, and unref'ing it means that no answer will come.
 * A call that the spawner does not answer before it ends is sent to the next one (spawner-link.c).
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "base/refusal.h"
#include "core/container-info.h"
#include "wire/exec-request.h"

typedef struct SpawnerLink SpawnerLink;

typedef struct SpawnerLinkEvents {
        void (*on_container_new)(void *userdata, ContainerInfo *c);
        void (*on_container_removed)(void *userdata, ContainerInfo *c);
} SpawnerLinkEvents;

SpawnerLink *spawner_link_new(sd_event *event, const char *socket_path, const SpawnerLinkEvents *events,
                              void *userdata);
SpawnerLink *spawner_link_free(SpawnerLink *l);
DEFINE_CLEANUP(SpawnerLink, spawner_link_free);

/* The time for which the connection stays open unused. Parked runners end with it. */
void spawner_link_set_idle(SpawnerLink *l, uint64_t usec);

/* While held (counted), the connection stays open, and container signals come. */
int spawner_link_hold(SpawnerLink *l, Refusal *reterr);
void spawner_link_release(SpawnerLink *l);

/* Each returns 0 with *ret_slot set, or a negative errno with *reterr filled. The callback gets the reply,
 * which may be an error: spawner_reply_refusal() turns it into one. */
/* With services of the host too, if asked for. */
int spawner_list_containers(SpawnerLink *l, bool services, sd_bus_message_handler_t callback, void *userdata,
                            sd_bus_slot **ret_slot, Refusal *reterr);
int spawner_list_rejected(SpawnerLink *l, sd_bus_message_handler_t callback, void *userdata,
                          sd_bus_slot **ret_slot, Refusal *reterr);
int spawner_get_container(SpawnerLink *l, const char *reference, sd_bus_message_handler_t callback,
                          void *userdata, sd_bus_slot **ret_slot, Refusal *reterr);
int spawner_list_processes(SpawnerLink *l, const char *container_id, sd_bus_message_handler_t callback,
                           void *userdata, sd_bus_slot **ret_slot, Refusal *reterr);

int spawner_get_usage(SpawnerLink *l, const char *container_id, sd_bus_message_handler_t callback,
                      void *userdata, sd_bus_slot **ret_slot, Refusal *reterr);

typedef struct SpawnerExec {
        const char *id;
        const ContainerInfo *container;
        const char *description;
        const ExecRequest *request;
        uid_t caller;            /* the user who asked for it, or -1 */
        bool log;                /* its output is to go to the journal */
        uint64_t cap_privileged; /* those that Privileged adds to the container's own */
        bool one_output;         /* one pipe for stdout and stderr */
} SpawnerExec;

/* Has the user looked up, and a runner parked for so long; with 0, none. */
int spawner_prepare(SpawnerLink *l, const SpawnerExec *e, uint64_t park_usec,
                    sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot,
                    Refusal *reterr);

/* `login_uid` is the caller's, UINT32_MAX for none. `stdio` may be NULL (the spawner makes pipes) or three
 * fds for the command. */
int spawner_start(SpawnerLink *l, const SpawnerExec *e, const ConsoleSize *size, uint32_t login_uid,
                  const int *stdio, sd_bus_message_handler_t callback, void *userdata,
                  sd_bus_slot **ret_slot, Refusal *reterr);

/* No answer is waited for. */
void spawner_drop(SpawnerLink *l, const char *exec_id);
int spawner_kill(SpawnerLink *l, const char *exec_id, int pidfd, int signal_number, bool all,
                 sd_bus_message_handler_t callback, void *userdata, sd_bus_slot **ret_slot, Refusal *reterr);

/* True when the answer to a start is lost and the command may run: it is to be ended, by spawner_end_exec(),
 * which answers when nothing of it is left. */
bool spawner_start_is_lost(sd_bus_message *reply);
int spawner_end_exec(SpawnerLink *l, const char *exec_id, sd_bus_message_handler_t callback, void *userdata,
                     sd_bus_slot **ret_slot, Refusal *reterr);

/* For the audit log; no answer is waited for either. */
void spawner_record_decision(SpawnerLink *l, const char *text);

/* 0 when the reply is not an error; else a negative errno, with *reterr filled. */
int spawner_reply_refusal(sd_bus_message *reply, Refusal *reterr);
