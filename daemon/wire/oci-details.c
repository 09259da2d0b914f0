/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/oci-details.h"

#include <stdio.h>
#include <string.h>

#include "base/strv.h"
#include "wire/oci-json.h"
#include "wire/oci-state.h"

#define GROUPS_MAX 1024

typedef struct Detail {
        OciDetailsSource source;
        const char *member, *below; /* in the file; NULL: the whole file, the member itself */
        JsonKind kind;
        const char *name;
} Detail;

static const Detail rows[] = {
        {OCI_DOCKER_CONFIG, "Config", NULL, JSON_KIND_OBJECT, "Config"},
        {OCI_DOCKER_CONFIG, "Config", "Labels", JSON_KIND_OBJECT, "Config.Labels"},
        {OCI_DOCKER_CONFIG, "Image", NULL, JSON_KIND_STRING, "Image"},
        {OCI_DOCKER_CONFIG, "Created", NULL, JSON_KIND_STRING, "Created"},
        {OCI_DOCKER_CONFIG, "Path", NULL, JSON_KIND_STRING, "Path"},
        {OCI_DOCKER_CONFIG, "Args", NULL, JSON_KIND_ARRAY, "Args"},
        {OCI_DOCKER_CONFIG, "Driver", NULL, JSON_KIND_STRING, "Driver"},
        {OCI_DOCKER_CONFIG, "RestartCount", NULL, JSON_KIND_NUMBER, "RestartCount"},
        {OCI_DOCKER_CONFIG, "Managed", NULL, JSON_KIND_BOOL, "Managed"},
        {OCI_DOCKER_CONFIG, "MountPoints", NULL, JSON_KIND_OBJECT, "MountPoints"},
        {OCI_DOCKER_CONFIG, "State", "StartedAt", JSON_KIND_STRING, "State.StartedAt"},
        {OCI_DOCKER_CONFIG, "State", "OOMKilled", JSON_KIND_BOOL, "State.OOMKilled"},
        {OCI_DOCKER_CONFIG, "State", "Health", JSON_KIND_OBJECT, "State.Health"},
        {OCI_DOCKER_CONFIG, "NetworkSettings", "Networks", JSON_KIND_OBJECT, "NetworkSettings.Networks"},
        {OCI_DOCKER_CONFIG, "NetworkSettings", "Ports", JSON_KIND_OBJECT, "NetworkSettings.Ports"},
        {OCI_DOCKER_CONFIG, "NetworkSettings", "SandboxID", JSON_KIND_STRING, "NetworkSettings.SandboxID"},
        {OCI_DOCKER_CONFIG, "NetworkSettings", "SandboxKey", JSON_KIND_STRING, "NetworkSettings.SandboxKey"},
        {OCI_DOCKER_HOST, NULL, NULL, JSON_KIND_OBJECT, "HostConfig"},

        {OCI_BUNDLE, "hostname", NULL, JSON_KIND_STRING, "Config.Hostname"},
        {OCI_BUNDLE, "process", "env", JSON_KIND_ARRAY, "Config.Env"},
        {OCI_BUNDLE, "process", "args", JSON_KIND_ARRAY, "Config.Cmd"},
        {OCI_BUNDLE, "process", "cwd", JSON_KIND_STRING, "Config.WorkingDir"},
        {OCI_BUNDLE, "process", "terminal", JSON_KIND_BOOL, "Config.Tty"},
        {OCI_BUNDLE, "linux", "namespaces", JSON_KIND_ARRAY, "Namespaces"},
        {OCI_BUNDLE, "mounts", NULL, JSON_KIND_ARRAY, "BundleMounts"},

        {OCI_PODMAN_CONFIG, "labels", NULL, JSON_KIND_OBJECT, "Config.Labels"},
        {OCI_PODMAN_CONFIG, "rootfsImageID", NULL, JSON_KIND_STRING, "Image"},
        {OCI_PODMAN_CONFIG, "rootfsImageName", NULL, JSON_KIND_STRING, "Config.Image"},
        {OCI_PODMAN_CONFIG, "user", NULL, JSON_KIND_STRING, "Config.User"},
        {OCI_PODMAN_CONFIG, "command", NULL, JSON_KIND_ARRAY, "Config.Cmd"},
        {OCI_PODMAN_CONFIG, "entrypoint", NULL, JSON_KIND_ARRAY, "Config.Entrypoint"},
        {OCI_PODMAN_CONFIG, "stdin", NULL, JSON_KIND_BOOL, "Config.OpenStdin"},
        {OCI_PODMAN_CONFIG, "healthcheck", NULL, JSON_KIND_OBJECT, "Config.Healthcheck"},
        {OCI_PODMAN_CONFIG, "groups", NULL, JSON_KIND_ARRAY, "HostConfig.GroupAdd"},
        {OCI_PODMAN_CONFIG, "privileged", NULL, JSON_KIND_BOOL, "HostConfig.Privileged"},
        {OCI_PODMAN_CONFIG, "userVolumes", NULL, JSON_KIND_ARRAY, "UserVolumes"},
        {OCI_PODMAN_CONFIG, "namedVolumes", NULL, JSON_KIND_ARRAY, "NamedVolumes"},
        {OCI_PODMAN_CONFIG, "createNetNS", NULL, JSON_KIND_BOOL, "CreateNetNS"},
        {OCI_PODMAN_CONFIG, "netNsCtr", NULL, JSON_KIND_STRING, "NetNsCtr"},
        {OCI_PODMAN_CONFIG, "newPortMappings", NULL, JSON_KIND_ARRAY, "PortMappings"},
        {OCI_PODMAN_CONFIG, "exposedPorts", NULL, JSON_KIND_OBJECT, "PodmanExposed"},

        {OCI_PODMAN_HEALTH, NULL, NULL, JSON_KIND_OBJECT, "State.Health"},
};

static int take(char ***details, const char *name, char *json)
{
        int r;

        for (char **d = *details; d && d[0]; d += 2)
                if (strcmp(d[0], name) == 0) {
                        free(d[1]);
                        d[1] = json;
                        return 0;
                }
        r = strv_append(details, name);
        if (r < 0) {
                free(json);
                return r;
        }
        return strv_consume(details, json);
}

int oci_details_set(char ***details, const char *name, const char *json)
{
        char *copy = strdup(json);

        return copy ? take(details, name, copy) : -ENOMEM;
}

static int add_row(char ***details, const Detail *d, const JsonSpan *file)
{
        JsonSpan value = *file, inner;
        char *json;
        int r;

        if (d->member && oci_member(file, d->member, d->below ? JSON_KIND_OBJECT : d->kind, &value) < 0)
                return 0;
        if (d->below) {
                if (oci_member(&value, d->below, d->kind, &inner) < 0)
                        return 0;
                value = inner;
        }
        r = json_span_copy(&value, &json);
        return r < 0 ? r : take(details, d->name, json);
}

int oci_details_add(char ***details, OciDetailsSource source, const char *json, size_t size, Refusal *reterr)
{
        JsonSpan file;
        int r;

        r = oci_json_scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &file, reterr);
        for (size_t i = 0; i < ELEMENTSOF(rows) && r >= 0; i++)
                if (rows[i].source == source)
                        r = add_row(details, &rows[i], &file);
        return r;
}

const char *oci_details_find(char *const *details, const char *name)
{
        for (char *const *d = details; d && d[0]; d += 2)
                if (strcmp(d[0], name) == 0)
                        return d[1];
        return NULL;
}

static int take_label(char ***labels, const JsonSpan *key, const JsonSpan *value)
{
        _cleanup_free_ char *k = NULL, *v = NULL;
        char *label;
        int r;

        r = oci_text(key, &k);
        if (r >= 0)
                r = oci_text(value, &v);
        if (r == -ENOMEM)
                return r;
        /* It would be parsed as another label. */
        if (r < 0 || strchr(k, '='))
                return 0;
        return asprintf(&label, "%s=%s", k, v) < 0 ? -ENOMEM : strv_consume(labels, label);
}

int oci_details_labels(char *const *details, char ***ret)
{
        _cleanup_strv_ char **labels = NULL;
        const char *json = oci_details_find(details, "Config.Labels");
        JsonSpan object, key, value;
        size_t position = 0;
        int r;

        if (!json)
                return -ENOENT;
        r = oci_json_scan(json, strlen(json), OCI_STATE_MAX, JSON_KIND_OBJECT, &object, NULL);
        while (r >= 0 && json_span_next(&object, &position, &key, &value))
                r = take_label(&labels, &key, &value);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(labels);
        return 0;
}

int oci_docker_groups_parse(const char *json, size_t size, char ***ret, Refusal *reterr)
{
        _cleanup_strv_ char **groups = NULL;
        JsonSpan file, list, value;
        size_t position = 0;
        int r;

        r = oci_json_scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &file, reterr);
        if (r < 0)
                return r;
        if (oci_member(&file, "GroupAdd", JSON_KIND_ARRAY, &list) >= 0)
                while (json_span_next(&list, &position, NULL, &value)) {
                        char *group;

                        r = oci_text(&value, &group);
                        if (r == -ENOMEM)
                                return r;
                        if (r >= 0 && strv_length(groups) >= GROUPS_MAX) {
                                free(group);
                                r = -EBADMSG;
                        }
                        if (r < 0)
                                return oci_bad(reterr, "GroupAdd");
                        r = strv_consume(&groups, group);
                        if (r < 0)
                                return r;
                }
        *ret = TAKE_PTR(groups);
        return 0;
}
