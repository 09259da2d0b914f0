/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/oci-state.h"

#include <limits.h>
#include <string.h>

#include "base/strv.h"
#include "wire/oci-json.h"

#define CGROUP_ROOT "/sys/fs/cgroup"

bool oci_name_is_valid(const char *name)
{
        static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
        static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.+-";
        size_t n = strlen(name);

        return n > 0 && n <= OCI_NAME_MAX && strchr(first, name[0]) && strspn(name, others) == n;
}

bool oci_path_is_plain(const char *path)
{
        return path[0] == '/' && !strstr(path, "/../") && !strstr(path, "/./") && !strstr(path, "//") &&
               (strlen(path) < 3 || strcmp(path + strlen(path) - 3, "/..") != 0) && strlen(path) < PATH_MAX;
}

/* No container has the root of the hierarchy. */
static bool cgroup_is_plain(const char *path)
{
        return oci_path_is_plain(path) && path[1];
}

void oci_state_done(OciState *s)
{
        free(s->id);
        free(s->cgroup);
        free(s->bundle);
        free(s->docker);
        free(s->run_directory);
        *s = (OciState){0};
}

static int read_process(const JsonSpan *object, const char *pid, const char *start, OciState *s,
                        Refusal *reterr)
{
        uint64_t number;

        if (oci_member_number(object, pid, INT_MAX, &number) < 0 || number <= 1)
                return oci_bad(reterr, pid);
        s->pid = (pid_t) number;
        if (oci_member_number(object, start, UINT64_MAX, &s->start_time) < 0 || s->start_time == 0)
                return oci_bad(reterr, start);
        if (oci_member_time(object, "created", &s->created_usec) < 0)
                return oci_bad(reterr, "created");
        return 0;
}

/* runc has the path of each hierarchy that it used, the unified one without a name. */
static int read_runc_cgroup(const JsonSpan *object, OciState *s, Refusal *reterr)
{
        _cleanup_free_ char *path = NULL;
        const char *p;
        JsonSpan paths;
        int r;

        if (oci_member(object, "cgroup_paths", JSON_KIND_OBJECT, &paths) < 0)
                return oci_bad(reterr, "cgroup_paths");
        r = oci_member_text(&paths, "", &path);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !oci_path_is_plain(path) ||
            strncmp(path, CGROUP_ROOT "/", strlen(CGROUP_ROOT "/")) != 0)
                return oci_bad(reterr, "the path of the unified hierarchy in cgroup_paths");
        p = path + strlen(CGROUP_ROOT);
        if (strncmp(p, "/unified/", strlen("/unified/")) == 0)
                p += strlen("/unified");
        if (!cgroup_is_plain(p))
                return oci_bad(reterr, "the path of the unified hierarchy in cgroup_paths");
        s->cgroup = strdup(p);
        return s->cgroup ? 0 : -ENOMEM;
}

/* Annotations, and the path of the bundle, as NAME=VALUE. */
static int read_runc_labels(const JsonSpan *object, OciState *s, Refusal *reterr)
{
        JsonSpan config, labels, value;
        size_t position = 0;
        int r;

        if (oci_member(object, "config", JSON_KIND_OBJECT, &config) < 0)
                return oci_bad(reterr, "config");
        if (oci_member(&config, "labels", JSON_KIND_ARRAY, &labels) < 0)
                return oci_bad(reterr, "config.labels");
        while (json_span_next(&labels, &position, NULL, &value)) {
                _cleanup_free_ char *text = NULL;

                r = oci_text(&value, &text);
                if (r == -ENOMEM)
                        return r;
                if (r < 0)
                        return oci_bad(reterr, "config.labels");
                if (strcmp(text, OCI_PODMAN_MARK "=" OCI_PODMAN_VALUE) == 0)
                        s->is_podmans = true;
                /* runc's own is the last. */
                if (strncmp(text, "bundle=", strlen("bundle=")) == 0) {
                        free(s->bundle);
                        s->bundle = strdup(text + strlen("bundle="));
                        if (!s->bundle)
                                return -ENOMEM;
                }
        }
        return s->bundle && oci_path_is_plain(s->bundle) ? 0
                                                         : oci_bad(reterr, "the bundle in config.labels");
}

/* The length of DIRECTORY in a source DIRECTORY/ID/hosts for /etc/hosts; 0 if Docker does not mount it.
 * `ret_own` learns whether it is this container's id: one that has another's network has that one's files.
 */
static size_t docker_directory(const char *source, const char *destination, const char *id, bool *ret_own)
{
        static const char etc[] = "/etc", hex[] = "0123456789abcdef";
        size_t n = strlen(source), tail;
        const char *file, *of;

        if (strcmp(destination, "/etc/hostname") != 0 && strcmp(destination, "/etc/hosts") != 0 &&
            strcmp(destination, "/etc/resolv.conf") != 0)
                return 0;
        file = destination + strlen(etc);
        tail = 1 + OCI_ID_LENGTH + strlen(file);
        if (!oci_path_is_plain(source) || n <= tail || source[n - tail] != '/')
                return 0;
        of = source + n - tail + 1;
        if (strspn(of, hex) != OCI_ID_LENGTH || strcmp(of + OCI_ID_LENGTH, file) != 0)
                return 0;
        *ret_own = strncmp(of, id, OCI_ID_LENGTH) == 0;
        return n - tail;
}

/* Docker's data may lie anywhere, and its mounts say where: this container's own files before
 * another's. */
static int read_runc_mounts(const JsonSpan *object, OciState *s)
{
        JsonSpan config, mounts, mount;
        bool own = false;
        size_t position = 0;

        if (oci_member(object, "config", JSON_KIND_OBJECT, &config) < 0 ||
            oci_member(&config, "mounts", JSON_KIND_ARRAY, &mounts) < 0)
                return 0;
        while (!own && json_span_next(&mounts, &position, NULL, &mount)) {
                _cleanup_free_ char *source = NULL, *destination = NULL;
                size_t n;
                int r;

                r = oci_member_text(&mount, "source", &source);
                if (r >= 0)
                        r = oci_member_text(&mount, "destination", &destination);
                if (r == -ENOMEM)
                        return r;
                n = r < 0 ? 0 : docker_directory(source, destination, s->id, &own);
                if (n == 0 || (s->docker && !own))
                        continue;
                free(s->docker);
                s->docker = memdup_text(source, n);
                if (!s->docker)
                        return -ENOMEM;
        }
        return 0;
}

int oci_runc_state_parse(const char *json, size_t size, OciState *ret, Refusal *reterr)
{
        _cleanup_oci_state_ OciState s = {0};
        JsonSpan object;
        int r;

        r = oci_json_scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r < 0)
                return r;
        r = oci_member_text(&object, "id", &s.id);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !oci_name_is_valid(s.id))
                return oci_bad(reterr, "id");
        r = read_process(&object, "init_process_pid", "init_process_start", &s, reterr);
        if (r >= 0)
                r = read_runc_cgroup(&object, &s, reterr);
        if (r >= 0)
                r = read_runc_labels(&object, &s, reterr);
        if (r >= 0)
                r = read_runc_mounts(&object, &s);
        if (r < 0)
                return r;
        *ret = s;
        s = (OciState){0};
        return 0;
}

int oci_crun_status_parse(const char *json, size_t size, OciState *ret, Refusal *reterr)
{
        _cleanup_oci_state_ OciState s = {0};
        JsonSpan object;
        int r;

        r = oci_json_scan(json, size, OCI_STATE_MAX, JSON_KIND_OBJECT, &object, reterr);
        if (r >= 0)
                r = read_process(&object, "pid", "process-start-time", &s, reterr);
        if (r < 0)
                return r;
        r = oci_member_text(&object, "bundle", &s.bundle);
        if (r == -ENOMEM)
                return r;
        if (r < 0 || !oci_path_is_plain(s.bundle))
                return oci_bad(reterr, "bundle");
        r = oci_member_text(&object, "cgroup-path", &s.cgroup);
        if (r == -ENOMEM)
                return r;
        /* Empty if crun does not manage control groups. */
        if (r < 0 || (*s.cgroup && !cgroup_is_plain(s.cgroup)))
                return oci_bad(reterr, "cgroup-path");
        if (!*s.cgroup)
                s.cgroup = mfree(s.cgroup);
        *ret = s;
        s = (OciState){0};
        return 0;
}
