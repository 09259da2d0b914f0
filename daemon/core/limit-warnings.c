/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/limit-warnings.h"

#include <stdio.h>
#include <string.h>

#include "base/controllers.h"
#include "base/strv.h"

#define MISSING_SIZE 64

/* "pids controller" or "io.weight": the property needs it and the kernel lacks it. */
static bool is_missing(const ScopeProperty *p, const char *controllers, char ret[static MISSING_SIZE])
{
        const char *name = scope_property_controller(p), *file = scope_property_file(p);

        if (name && !controllers_have(controllers, name))
                snprintf(ret, MISSING_SIZE, "%s controller", name);
        else if (file && controllers_lack_file(controllers, file))
                snprintf(ret, MISSING_SIZE, "%s", file);
        else
                return false;
        return true;
}

int limit_warnings(const ScopePropertyList *l, const char *controllers, char ***ret)
{
        _cleanup_strv_ char **warnings = NULL;

        for (size_t i = 0; i < l->n; i++) {
                char missing[MISSING_SIZE], *text;
                int r;

                if (!is_missing(&l->items[i], controllers, missing))
                        continue;
                if (asprintf(&text,
                             "%s: not enforced, since the kernel has no %s in the unified cgroup "
                             "hierarchy",
                             l->items[i].name, missing) < 0)
                        return -ENOMEM;
                r = strv_consume(&warnings, text);
                if (r < 0)
                        return r;
        }
        *ret = TAKE_PTR(warnings);
        return 0;
}

int limit_refuse(const ScopePropertyList *l, const char *controllers, Refusal *reterr)
{
        for (size_t i = 0; i < l->n; i++) {
                char missing[MISSING_SIZE];

                if (is_missing(&l->items[i], controllers, missing))
                        return refuse(reterr, REFUSAL_DENIED, EACCES,
                                      "Properties.%s: refused by UnenforceableLimits=refuse in execd.conf, "
                                      "since the kernel has no %s in the unified cgroup hierarchy",
                                      l->items[i].name, missing);
        }
        return 0;
}

static bool needs_controllers(const ScopePropertyList *l)
{
        for (size_t i = 0; i < l->n; i++)
                if (scope_property_controller(&l->items[i]))
                        return true;
        return false;
}

int limit_check(LimitMode mode, const ScopePropertyList *l, const char *path, char ***ret_warnings,
                Refusal *reterr)
{
        _cleanup_free_ char *controllers = NULL;
        int r;

        if (!needs_controllers(l)) {
                *ret_warnings = NULL;
                return 0;
        }
        r = controllers_read(path, &controllers);
        if (r < 0)
                return refuse(reterr, REFUSAL_INTERNAL, -r,
                              "failed to read the controllers of the kernel: %s", strerror(-r));
        if (mode == LIMITS_REFUSE)
                r = limit_refuse(l, controllers, reterr);
        return r < 0 ? r : limit_warnings(l, controllers, ret_warnings);
}
