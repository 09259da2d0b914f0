/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-route.h"

#include <stdio.h>
#include <string.h>

#include "base/characters.h"
#include "wire/http-target.h"

typedef struct Route {
        const char *method;
        const char *pattern; /* one * stands for any non-empty text, slashes included */
        HttpStep handler;
} Route;

/*
 * To add a route: a row here, and a handler http_VERB_NOUN() in the file of its object, declared in
 * api/http-route.h. The handler answers with http_reply_…(), now or later, or returns a refusal; until then, its
 * pending work is attached to the exchange. http_need_exec() finds the exec of the path and authorizes the caller for it,
 * http_need_json() checks the body, and api/http-authz.h authorizes for the rest. packaging/openapi.yaml and execd-http-api(7) describe it;
 * tests/conformance/test_openapi.py needs a case for each status of the YAML, and a route that Docker does not
 * have is tested in test_extras.py and described in EXTRAS.md.
 */
static const Route routes[] = {
        {"GET", "/_ping", http_get_ping},
        {"HEAD", "/_ping", http_get_ping},
        {"GET", "/version", http_get_version},
        {"GET", "/info", http_get_info},
        {"GET", "/events", http_get_events},
        {"GET", "/containers/json", http_list_containers},
        {"GET", "/containers/*/json", http_get_container},
        {"GET", "/containers/*/top", http_get_top},
        {"GET", "/containers/*/stats", http_get_stats},
        {"POST", "/containers/*/exec", http_create_exec},
        {"GET", "/exec/json", http_list_execs},
        {"GET", "/exec/*/json", http_get_exec},
        {"GET", "/exec/*/logs", http_get_logs},
        {"GET", "/exec/*/recording", http_get_recording},
        {"POST", "/exec/*/start", http_start_exec},
        {"POST", "/exec/*/resize", http_resize_exec},
        {"POST", "/exec/*/attach", http_attach_exec},
        {"POST", "/exec/*/kill", http_kill_exec},
        {"POST", "/exec/*/wait", http_wait_exec},
};

/* Other routes of a Docker engine, which get a better answer than "not found". */
static const char *const engine_paths[] = {
        "/auth",     "/build",   "/commit",   "/configs", "/containers/", "/distribution/",
        "/grpc",     "/images/", "/networks", "/nodes",   "/plugins",     "/secrets",
        "/services", "/session", "/swarm",    "/system/", "/tasks",       "/volumes",
};

/* Podman's own API has versions of its own: /v4.3.1/libpod/… */
static bool is_podmans(const char *path)
{
        if (strncmp(path, "/v", 2) == 0)
                path += 2 + strspn(path + 2, "0123456789.");
        return strncmp(path, "/libpod/", strlen("/libpod/")) == 0;
}

static bool path_matches(const char *pattern, const char *path, char **ret_name)
{
        const char *star = strchr(pattern, '*');
        size_t before, after, length = strlen(path);

        if (!star)
                return strcmp(pattern, path) == 0;
        before = (size_t) (star - pattern);
        after = strlen(star + 1);
        if (length < before + after + 1 || strncmp(path, pattern, before) != 0 ||
            strcmp(path + length - after, star + 1) != 0)
                return false;
        if (memchr(path + before, '\n', length - before - after))
                return false;
        if (ret_name)
                *ret_name = strndup(path + before, length - before - after);
        return true;
}

/* With any method where `method` is NULL. */
static const Route *find_route(const char *method, const char *path, char **ret_name)
{
        for (size_t i = 0; i < ELEMENTSOF(routes); i++)
                if ((!method || strcmp(routes[i].method, method) == 0) &&
                    path_matches(routes[i].pattern, path, ret_name))
                        return &routes[i];
        return NULL;
}

/* A path of ours that was asked for with another method is as unknown to an engine. */
static bool is_engines(const char *path)
{
        size_t length = strlen(path);

        if (strchr(path, '\n') || path[length - 1] == '/' || find_route(NULL, path, NULL))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(engine_paths); i++) {
                size_t n = strlen(engine_paths[i]);

                if (strncmp(path, engine_paths[i], n) == 0 &&
                    (path[n - 1] == '/' || !path[n] || path[n] == '/'))
                        return true;
        }
        return false;
}

/* Takes "//" and "." and ".." segments out, as URL paths are cleaned. A trailing slash stays. */
static char *path_clean(const char *path)
{
        size_t length = strlen(path), out = 0;
        char *clean = malloc(length + 2);

        if (!clean)
                return NULL;
        for (const char *p = path; *p;) {
                size_t n;

                while (*p == '/')
                        p++;
                n = strcspn(p, "/");
                if (n == 2 && p[0] == '.' && p[1] == '.') {
                        while (out > 0 && clean[--out] != '/')
                                ;
                } else if (n > 0 && !(n == 1 && p[0] == '.')) {
                        clean[out++] = '/';
                        memcpy(clean + out, p, n);
                        out += n;
                }
                p += n;
        }
        if (out == 0 || (length > 0 && path[length - 1] == '/'))
                clean[out++] = '/';
        clean[out] = 0;
        return clean;
}

/* "1.41" or "1.041.2" to major, minor, rest; a missing part counts as 0. */
static void version_read(const char *text, unsigned part[static 3])
{
        for (unsigned i = 0; i < 3; i++) {
                unsigned v = 0;

                while (*text >= '0' && *text <= '9') {
                        v = MIN(v * 10 + (unsigned) (*text - '0'), 99999U);
                        text++;
                }
                part[i] = v;
                if (*text == '.')
                        text++;
        }
}

/* Cuts a "/v1.33" off. Leaves *ret_text empty when there is none. */
static const char *path_cut_version(const char *path, char *ret_text, size_t size)
{
        size_t n;

        ret_text[0] = 0;
        if (strncmp(path, "/v", 2) != 0)
                return path;
        n = strspn(path + 2, "0123456789.");
        if (n == 0 || n >= size || path[2 + n] != '/')
                return path;
        memcpy(ret_text, path + 2, n);
        ret_text[n] = 0;
        return path + 2 + n;
}

/* True when the version is served; else the answer has been given. */
static bool version_check(HttpExchange *x, const char *text)
{
        char message[256];
        unsigned part[3];

        if (!*text) {
                x->version = HTTP_VERSION_MAX;
                return true;
        }
        version_read(text, part);
        if (part[0] > 1 || (part[0] == 1 && (part[1] > 51 || (part[1] == 51 && part[2] > 0)))) {
                snprintf(message, sizeof(message),
                         "client version %.32s is too new. Maximum supported API version is 1.51", text);
                http_reply_error(x, 400, message);
                return false;
        }
        if (part[0] < 1 || part[1] < 24) {
                snprintf(message, sizeof(message),
                         "client version %.32s is too old. Minimum supported API version is 1.24, please "
                         "upgrade your client to a newer version",
                         text);
                http_reply_error(x, 400, message);
                return false;
        }
        x->version = part[0] * 1000 + part[1];
        return true;
}

/* Requests that change something must be valid, including parameters that are not used. */
static bool query_check(HttpExchange *x)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_free_ char *value = NULL;

        if (strcmp(x->request->method, "POST") != 0 || http_query(x, "", &value, &refusal) >= 0)
                return true;
        http_reply_refusal(x, &refusal);
        return false;
}

static void redirect(HttpExchange *x, const char *path)
{
        const char *query = strchr(x->request->target, '?');
        _cleanup_buf_ Buf line = BUF_INIT;

        buf_puts(&line, "Location: ");
        for (const unsigned char *p = (const unsigned char *) path; *p; p++) {
                if (*p <= 0x20 || *p >= 0x7f || strchr("\"<>\\^`{|}%?#", *p))
                        buf_printf(&line, "%%%02X", *p);
                else
                        buf_append(&line, p, 1);
        }
        if (query)
                buf_puts(&line, query);
        buf_append(&line, "", 1);
        if (buf_error(&line) >= 0)
                http_add_header(x, buf_head(&line));
        http_reply_empty(x, 301);
}

static void reply_unknown(HttpExchange *x, const char *path, const char *unversioned)
{
        if (is_engines(unversioned))
                /* `docker inspect` looks for a name among all objects, and goes on after "not supported". */
                http_reply_error(x, 501,
                                 "execd runs commands in containers. It is not a container engine: this "
                                 "request is not supported");
        else if (is_podmans(path))
                http_reply_error(
                        x, 501,
                        "execd serves Docker's API and not that of Podman: use the docker command with "
                        "DOCKER_HOST, or execctl");
        else
                http_reply_error(x, 404, "page not found");
}

void http_route(HttpExchange *x)
{
        _cleanup_free_ char *path = NULL, *clean = NULL;
        char version[32];
        const Route *route;
        const char *rest;

        if (strcmp(x->request->method, "OPTIONS") == 0) {
                http_reply_empty(x, 200);
                return;
        }
        if (http_target_path(x->request->target, &path) < 0) {
                http_reply_error(x, 400, "invalid URL path");
                return;
        }
        if (!utf8_is_valid(path)) {
                http_reply_error(x, 400, "invalid URL path: it is not UTF-8");
                return;
        }
        clean = path_clean(path);
        if (!clean) {
                http_reply_error(x, 500, "out of memory");
                return;
        }
        if (strcmp(clean, path) != 0) {
                redirect(x, clean);
                return;
        }

        rest = path_cut_version(path, version, sizeof(version));
        route = find_route(x->request->method, rest, &x->name);
        if (!route) {
                reply_unknown(x, clean, rest);
                return;
        }
        if (!version_check(x, version) || !query_check(x))
                return;
        x->path = strdup(rest);
        http_step(x, route->handler);
}
