/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/usage-reply.h"

#include <errno.h>
#include <string.h>

static int read_values(sd_bus_message *m, Usage *ret)
{
        const void *values;
        size_t size;
        int r;

        r = sd_bus_message_read_array(m, 't', &values, &size);
        if (r < 0)
                return r;
        if (size != sizeof(ret->values))
                return -EBADMSG;
        memcpy(ret->values, values, size);
        return 0;
}

int usage_read_all(sd_bus_message *m, Usage *ret)
{
        int r = read_values(m, ret);

        return r < 0 ? r : sd_bus_message_enter_container(m, 'a', "(sat)");
}

int usage_read_next(sd_bus_message *m, const char **ret_id, Usage *ret)
{
        int r;

        r = sd_bus_message_enter_container(m, 'r', "sat");
        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "s", ret_id);
        if (r >= 0)
                r = read_values(m, ret);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}
