/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* wire/signal-name: names and numbers of signals, there and back. */

#include "wire/signal-name.h"

#include <errno.h>
#include <signal.h>

#include "base/cleanup.h"
#include "unit/test.h"

static void test_from_text(void)
{
        const struct {
                const char *text;
                int number;
        } rows[] = {
                {"9", SIGKILL},
                {"KILL", SIGKILL},
                {"SIGKILL", SIGKILL},
                {"sigTerm", SIGTERM},
                {"winch", SIGWINCH},
                {"RTMIN", SIGRTMIN},
                {"sigrtmin+2", SIGRTMIN + 2},
                {"RTMAX", SIGRTMAX},
                {"64", SIGRTMAX},
                {"", -EINVAL},
                {"0", -EINVAL},
                {"65", -EINVAL},
                {"-9", -EINVAL},
                {"+9", -EINVAL},
                {" 9", -EINVAL},
                {"9 ", -EINVAL},
                {"4294967305", -EINVAL},
                {"SIG", -EINVAL},
                {"SIGSIGKILL", -EINVAL},
                {"KILLS", -EINVAL},
                {"RTMIN+", -EINVAL},
                {"RTMIN+31", -EINVAL},
                {"RTMIN-1", -EINVAL},
                {"RTMIN+-1", -EINVAL},
                {"RTMAX-1", -EINVAL},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                CHECK_ROW(rows[i].text, signal_from_text(rows[i].text) == rows[i].number);
}

static void test_to_text(void)
{
        char text[SIGNAL_TEXT_SIZE];

        CHECK_TEXT("9", signal_to_text(SIGKILL, text), "SIGKILL");
        CHECK_TEXT("first", signal_to_text(SIGRTMIN, text), "SIGRTMIN");
        CHECK_TEXT("second", signal_to_text(SIGRTMIN + 1, text), "SIGRTMIN+1");
        CHECK_TEXT("none", signal_to_text(0, text), "signal 0");
        CHECK_TEXT("negative", signal_to_text(-1, text), "signal -1");
        CHECK_TEXT("large", signal_to_text(1000, text), "signal 1000");
        for (int i = 1; i <= SIGRTMAX; i++) {
                const char *name = signal_to_text(i, text);

                /* The two that the C library keeps for itself have no name. */
                if (i > 31 && i < SIGRTMIN)
                        continue;
                CHECK_ROW(name, signal_from_text(name) == i);
        }
}

int main(void)
{
        test_from_text();
        test_to_text();
        return test_finish("signal-name");
}
