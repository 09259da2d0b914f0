/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The filters of GET /containers/json. */

#include "api/http-filter.h"
#include "core/container-info.h"

typedef struct ContainerFilter ContainerFilter;

/* Refuses unknown keys and malformed values. */
int container_filter_from_query(HttpExchange *x, ContainerFilter **ret, Refusal *reterr);
ContainerFilter *container_filter_free(ContainerFilter *f);
DEFINE_CLEANUP(ContainerFilter, container_filter_free);

/* Finds the containers that "id", "before" and "since" name, once before the other filters; an unknown name in the
 * last two is refused. */
int container_filter_resolve(ContainerFilter *f, ContainerInfo *const *containers, size_t n,
                             Refusal *reterr);

/* Whether services of the host may pass, which are not in lists by themselves. */
bool container_filter_wants_services(const ContainerFilter *f, bool by_default);

/* 1 if it passes, 0 if not; a refusal if a fact is asked for that execd does not know of this container. */
int container_filter_match(const ContainerFilter *f, const ContainerInfo *c, struct json_object *facts,
                           Refusal *reterr);
