/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "base/refusal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/characters.h"
#include "base/strv.h"

static const char *const kind_names[_REFUSAL_MAX] = {
        [REFUSAL_NONE] = "None",
        [REFUSAL_BAD_REQUEST] = "BadRequest",
        [REFUSAL_DENIED] = "AccessDenied",
        [REFUSAL_NO_CONTAINER] = "NoSuchContainer",
        [REFUSAL_NO_EXEC] = "NoSuchExec",
        [REFUSAL_NOT_RUNNING] = "NotRunning",
        [REFUSAL_CONFLICT] = "Conflict",
        [REFUSAL_TOO_LARGE] = "TooLarge",
        [REFUSAL_LIMIT] = "LimitExceeded",
        [REFUSAL_BUSY] = "Busy",
        [REFUSAL_UNSUPPORTED] = "NotSupported",
        [REFUSAL_UNAVAILABLE] = "Unavailable",
        [REFUSAL_NOT_FOUND] = "CommandNotFound",
        [REFUSAL_NOT_RUNNABLE] = "CommandNotRunnable",
        [REFUSAL_INTERNAL] = "Internal",
};

void refusal_done(Refusal *r)
{
        r->kind = REFUSAL_NONE;
        r->message = mfree(r->message);
}

/* A quoted text can have megabytes, and an unread answer stays in memory. */
static void message_cut(char *message)
{
        static const char more[] = "...";
        size_t size = strlen(message);

        if (size > REFUSAL_MESSAGE_MAX)
                strcpy(message + characters_cut(message, size, REFUSAL_MESSAGE_MAX - strlen(more)), more);
}

/* D-Bus sends nothing else, and the journal shows nothing else. Texts of others can be invalid, and a limit of
 * bytes can be in the middle of a character. Takes the message. */
static char *message_in_utf8(char *message)
{
        char *repaired;

        if (message)
                message_cut(message);
        if (!message || utf8_is_valid(message))
                return message;
        repaired = utf8_repaired(message);
        free(message);
        return repaired;
}

int refuse(Refusal *r, RefusalKind kind, int error, const char *format, ...)
{
        va_list ap;

        if (r) {
                char *message = NULL;

                va_start(ap, format);
                if (vasprintf(&message, format, ap) < 0)
                        message = NULL;
                va_end(ap);

                free(r->message);
                r->kind = kind;
                r->message = message_in_utf8(message);
        }

        return error < 0 ? error : -error;
}

const char *refusal_kind_to_string(RefusalKind kind)
{
        if ((unsigned) kind >= _REFUSAL_MAX)
                kind = REFUSAL_INTERNAL;
        return kind_names[kind];
}

RefusalKind refusal_kind_from_string(const char *s)
{
        int i = NAMES_FIND(kind_names, s);

        /* An error of another program is an error, also by the name of none. */
        return i <= REFUSAL_NONE ? REFUSAL_INTERNAL : (RefusalKind) i;
}

char *refusal_plain(const char *message)
{
        static const char *const begins[] = {
                "OCI runtime exec failed: ",
                "exec failed: ",
                "unable to start container process: ",
                "exec: ",
        };
        static const char end[] = ": unknown", inner[] = " set in config.json";
        const char *begin = message;
        char *plain, *found;
        size_t n;

        for (size_t i = 0; i < ELEMENTSOF(begins); i++)
                if (strncmp(begin, begins[i], strlen(begins[i])) == 0)
                        begin += strlen(begins[i]);
                else if (i == 0)
                        return strdup(message);
        plain = strdup(begin);
        if (!plain)
                return NULL;
        n = strlen(plain);
        if (n > strlen(end) && strcmp(plain + n - strlen(end), end) == 0)
                plain[n - strlen(end)] = 0;
        found = strstr(plain, inner);
        if (found)
                memmove(found, found + strlen(inner), strlen(found + strlen(inner)) + 1);
        return plain;
}
