/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Two sorts of failure travel up through execd. A *fault* is ours: a negative errno, which the client sees as
 * an internal error. A *refusal* is an answer: the client may know the reason. A function that can refuse
 * takes a `Refusal *reterr` as its last parameter, fills it, and returns a negative errno; where the Refusal
 * stays REFUSAL_NONE, the failure was a fault. The mapping from kinds to HTTP statuses and D-Bus error names
 * is in one place each (api/http-error, api/dbus-call).
 *
 * To add a kind: a row here, its name in refusal.c, its status and code in api/http-error.c, both manuals.
 */

#include "base/cleanup.h"

typedef enum RefusalKind {
        REFUSAL_NONE,
        REFUSAL_BAD_REQUEST,  /* a field or parameter is wrong; the message names it */
        REFUSAL_DENIED,       /* the caller may not do this */
        REFUSAL_NO_CONTAINER, /* no such container */
        REFUSAL_NO_EXEC,      /* no such exec */
        REFUSAL_NOT_RUNNING,  /* the container or the exec is not in a state that allows this */
        REFUSAL_CONFLICT,     /* already done, or something else holds it */
        REFUSAL_TOO_LARGE,    /* the request exceeds a size limit */
        REFUSAL_LIMIT,        /* a count limit is reached */
        REFUSAL_BUSY,         /* a limit is reached by others, or will soon no longer be: try again */
        REFUSAL_UNSUPPORTED,  /* execd, the kernel or the container cannot do this */
        REFUSAL_UNAVAILABLE,  /* a part that is needed does not answer */
        REFUSAL_NOT_FOUND,    /* the command does not exist in the container: exit code 127 */
        REFUSAL_NOT_RUNNABLE, /* the command cannot be run as asked: exit code 126 */
        REFUSAL_INTERNAL,     /* a fault with a text */
        _REFUSAL_MAX,
} RefusalKind;

/* Bytes of a message; a longer one is cut. */
#define REFUSAL_MESSAGE_MAX 8192

typedef struct Refusal {
        RefusalKind kind;
        char *message; /* owned */
} Refusal;

#define REFUSAL_INIT ((Refusal){0})

void refusal_done(Refusal *r);
#define _cleanup_refusal_ _cleanup_(refusal_done)

/* Fills `r` (which may be NULL) and returns -error, for use in a return statement. An earlier
 * refusal in `r` is replaced. */
int refuse(Refusal *r, RefusalKind kind, int error, const char *format, ...) _printf_(4, 5);

/* The prefix of D-Bus error names, which the name of the kind follows. */
#define REFUSAL_ERROR_PREFIX "org.execd1.Error."

/* A stable short name for each kind ("BadRequest"), and back: REFUSAL_INTERNAL if it is unknown, or is the
 * name of REFUSAL_NONE. */
const char *refusal_kind_to_string(RefusalKind kind);
RefusalKind refusal_kind_from_string(const char *s);

/* Why a command could not be started is worded as Docker words it, whose clients show it as it is. This is a
 * copy for others, without the OCI runtime and the config.json that there are none of here. */
char *refusal_plain(const char *message);
