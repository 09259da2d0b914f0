/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/service-properties.h"

#include <string.h>

#include "base/bus-dict.h"
#include "base/strv.h"

#define USER_SLICE     "/user.slice/"
#define NFT_SET_CGROUP 0 /* the first of systemd's sources */

void service_properties_done(ServiceProperties *p)
{
        free(p->id);
        strv_free(p->names);
        strv_free(p->environment);
        free(p->state);
        free(p->control_group);
        free(p->slice);
        free(p->root_image);
        free(p->root_directory);
        free(p->fragment);
        *p = (ServiceProperties){0};
}

static int read_text(sd_bus_message *m, char **ret)
{
        const char *text;
        int r = sd_bus_message_read(m, "v", "s", &text);

        if (r < 0)
                return r;
        free(*ret);
        *ret = strdup(text);
        return *ret ? 0 : -ENOMEM;
}

static int read_flag(sd_bus_message *m, bool *ret)
{
        int value, r = sd_bus_message_read(m, "v", "b", &value);

        *ret = r >= 0 && value;
        return r;
}

static int read_list(sd_bus_message *m, char ***ret)
{
        int r = sd_bus_message_enter_container(m, 'v', "as");

        if (r >= 0)
                r = sd_bus_message_read_strv(m, ret);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_invocation(sd_bus_message *m, ServiceProperties *p)
{
        const void *bytes;
        size_t n;
        int r;

        r = sd_bus_message_enter_container(m, 'v', "ay");
        if (r >= 0)
                r = sd_bus_message_read_array(m, 'y', &bytes, &n);
        if (r < 0)
                return r;
        p->has_invocation = n == sizeof(p->invocation);
        if (p->has_invocation)
                memcpy(p->invocation, bytes, n);
        return sd_bus_message_exit_container(m);
}

/* (bas): a list of file systems that are allowed, or not allowed. */
static int read_filesystems(sd_bus_message *m, bool *ret)
{
        _cleanup_strv_ char **list = NULL;
        int is_allowed = 0, r;

        r = sd_bus_message_enter_container(m, 'v', "(bas)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'r', "bas");
        if (r >= 0)
                r = sd_bus_message_read(m, "b", &is_allowed);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &list);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        *ret = is_allowed || strv_length(list) > 0;
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

/* a(iiss): where an element comes from, the family of the table, the table, the set. */
static int read_nft_sets(sd_bus_message *m, bool *ret)
{
        int source, r;

        r = sd_bus_message_enter_container(m, 'v', "a(iiss)");
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'a', "(iiss)");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "(iiss)", &source, NULL, NULL, NULL)) > 0)
                *ret = *ret || source == NFT_SET_CGROUP;
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int read_text_property(sd_bus_message *m, const char *name, ServiceProperties *p, bool *ret_found)
{
        struct {
                const char *name;
                char **value;
        } texts[] = {
                {"Id", &p->id},
                {"ActiveState", &p->state},
                {"ControlGroup", &p->control_group},
                {"Slice", &p->slice},
                {"RootImage", &p->root_image},
                {"RootDirectory", &p->root_directory},
                {"FragmentPath", &p->fragment},
        };

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                if (strcmp(texts[i].name, name) == 0) {
                        *ret_found = true;
                        return read_text(m, texts[i].value);
                }
        *ret_found = false;
        return 0;
}

static int read_property(sd_bus_message *m, const char *name, void *userdata)
{
        ServiceProperties *p = userdata;
        bool is_text;
        int r = read_text_property(m, name, p, &is_text);

        if (r < 0 || is_text)
                return r;
        if (strcmp(name, "Names") == 0)
                return read_list(m, &p->names);
        if (strcmp(name, "Environment") == 0)
                return read_list(m, &p->environment);
        if (strcmp(name, "InvocationID") == 0)
                return read_invocation(m, p);
        if (strcmp(name, "MainPID") == 0)
                return sd_bus_message_read(m, "v", "u", &p->main_pid);
        if (strcmp(name, "UID") == 0)
                return sd_bus_message_read(m, "v", "u", &p->uid);
        if (strcmp(name, "GID") == 0)
                return sd_bus_message_read(m, "v", "u", &p->gid);
        if (strcmp(name, "ExecMainStartTimestamp") == 0)
                return sd_bus_message_read(m, "v", "t", &p->created_usec);
        if (strcmp(name, "SecureBits") == 0)
                return sd_bus_message_read(m, "v", "i", &p->secure_bits);
        if (strcmp(name, "MemoryDenyWriteExecute") == 0)
                return read_flag(m, &p->denies_exec_memory);
        if (strcmp(name, "RestrictFileSystems") == 0)
                return read_filesystems(m, &p->restricts_filesystems);
        if (strcmp(name, "NFTSet") == 0)
                return read_nft_sets(m, &p->in_nft_sets);
        return sd_bus_message_skip(m, "v");
}

int service_properties_read(sd_bus_message *reply, ServiceProperties *ret)
{
        _cleanup_(service_properties_done)
                ServiceProperties p = {.uid = SERVICE_NO_ID, .gid = SERVICE_NO_ID};
        int r = bus_read_dict(reply, read_property, &p);

        if (r < 0)
                return r;
        if (!p.id || !p.state || !p.control_group || !p.slice || !service_name_is_valid(p.id))
                return -EBADMSG;
        *ret = p;
        p = (ServiceProperties){0};
        return 0;
}

bool service_properties_name_user(const ServiceProperties *p, uint32_t uid, uint32_t gid)
{
        return (p->uid == SERVICE_NO_ID || p->uid == uid) && (p->gid == SERVICE_NO_ID || p->gid == gid);
}

bool service_properties_are_active(const ServiceProperties *p)
{
        return strcmp(p->state, "active") == 0 || strcmp(p->state, "reloading") == 0 ||
               strcmp(p->state, "refreshing") == 0;
}

static int check_confinement(const ServiceProperties *p, Refusal *reterr)
{
        const char *what = NULL;

        if (p->restricts_filesystems)
                what = "RestrictFileSystems=";
        else if (p->in_nft_sets)
                what = "NFTSet= with the control group";
        else if (p->secure_bits != 0)
                what = "SecureBits=";
        return what ? refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                             "the unit has %s, which cannot be applied to another command", what)
                    : 0;
}

int service_properties_check(const ServiceProperties *p, Refusal *reterr)
{
        if (strcmp(p->state, "deactivating") == 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the service is stopping");
        if (!service_properties_are_active(p) && strcmp(p->state, "activating") != 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the service is not running");
        if (p->main_pid == 0)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the service has no main process");
        if (!p->has_invocation || !*p->control_group)
                return refuse(reterr, REFUSAL_NOT_RUNNING, ESRCH, "the service has no control group");
        if (strncmp(p->control_group, USER_SLICE, strlen(USER_SLICE)) == 0)
                return refuse(reterr, REFUSAL_UNSUPPORTED, EOPNOTSUPP,
                              "the service is in user.slice: services of users' sessions are not supported");
        return check_confinement(p, reterr);
}
