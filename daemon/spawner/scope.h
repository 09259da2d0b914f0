/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Transient scopes: StartTransientUnit and the end of its job, asynchronously, a bounded number at a time (a
 * bus refuses more than so many pending replies, and PID 1 gains nothing from more).
 */

#include <stdbool.h>
#include <systemd/sd-bus.h>

#include "spawner/scope-message.h"
#include "wire/exec-id.h"

#define SCOPES_IN_FLIGHT_MAX 32

typedef struct ScopeManager ScopeManager;
typedef struct Scope Scope;

/* `bus` is PID 1's own (`is_private`) or the system's, and must live as long. */
int scope_manager_new(sd_bus *bus, bool is_private, ScopeManager **ret);
ScopeManager *scope_manager_free(ScopeManager *m);
DEFINE_CLEANUP(ScopeManager, scope_manager_free);
/* Slices that scopes wait for may be usable now. */
void scope_manager_send(ScopeManager *m);
/* The bus is gone, and the system's takes its place: calls without an answer are sent again. */
int scope_manager_move(ScopeManager *m, sd_bus *bus);

/* Called once, from the loop: NULL when the scope is there, else why not. */
typedef void (*ScopeReady)(void *userdata, const Refusal *refusal);

int scope_start(ScopeManager *m, const ScopeRequest *q, ScopeReady callback, void *userdata, Scope **ret,
                Refusal *reterr);
/* Forgets about it; the scope itself ends with its processes. */
Scope *scope_free(Scope *s);
/* The same, with a runner that was started for it: systemd may still be about to move the process of that
 * number into the scope, so the runner, which ends, is not waited for before systemd has answered. */
void scope_abandon(Scope *s, Runner *runner);
DEFINE_CLEANUP(Scope, scope_free);

/* Changes the description of an exec's scope in lists of units, a while after, unless the process (which
 * the scope ends with) is over by then. The answer is ignored. */
void scope_describe(ScopeManager *m, const char *exec_id, const char *text, int pidfd);
