/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/signal-name.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/decimal.h"

/* "RTMIN", or "RTMIN+1". */
static int from_realtime(const char *text)
{
        uint64_t n = 0;

        if (*text == '+' ? decimal_parse(text + 1, (uint64_t) (SIGRTMAX - SIGRTMIN), &n) < 0 : *text != 0)
                return -EINVAL;
        return SIGRTMIN + (int) n;
}

int signal_from_text(const char *text)
{
        uint64_t n;
        int r = decimal_parse(text, (uint64_t) SIGRTMAX, &n);

        if (r >= 0)
                return n > 0 ? (int) n : -EINVAL;
        if (strncasecmp(text, "SIG", 3) == 0)
                text += 3;
        for (int i = 1; i < SIGRTMIN; i++)
                if (sigabbrev_np(i) && strcasecmp(sigabbrev_np(i), text) == 0)
                        return i;
        if (strncasecmp(text, "RTMIN", 5) == 0)
                return from_realtime(text + 5);
        return strcasecmp(text, "RTMAX") == 0 ? SIGRTMAX : -EINVAL;
}

const char *signal_to_text(int number, char buf[static SIGNAL_TEXT_SIZE])
{
        const char *name = sigabbrev_np(number);

        if (name)
                (void) snprintf(buf, SIGNAL_TEXT_SIZE, "SIG%s", name);
        else if (number == SIGRTMIN)
                (void) snprintf(buf, SIGNAL_TEXT_SIZE, "SIGRTMIN");
        else if (number > SIGRTMIN && number <= SIGRTMAX)
                (void) snprintf(buf, SIGNAL_TEXT_SIZE, "SIGRTMIN+%d", number - SIGRTMIN);
        else
                (void) snprintf(buf, SIGNAL_TEXT_SIZE, "signal %d", number);
        return buf;
}
