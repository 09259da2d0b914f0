/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Releases a parked runner. */

#include "spawner/namespaces.h"
#include "wire/runner-spec.h"

typedef struct Order {
        RunnerMode mode;
        const RunnerSpec *spec;
        int leader; /* pidfd */
        const NamespaceFds *namespaces;
        const int *stdio; /* three fds, or NULL */
} Order;

/* Refuses when the runner has ended. */
int order_send(int control, const Order *o, Refusal *reterr);
