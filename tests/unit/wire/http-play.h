/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Plays the bytes of a connection to the HTTP parsers as a server does, cut into reads in a given way, and
 * tells what came of it in one line: "METHOD target 1.minor FLAGS {body}" for each request, joined by " | ",
 * or the status of a refusal, or "more" when bytes were left that make no whole request. After a request to
 * upgrade, what is left is "rest{…}" and is not parsed.
 */

#include <stdlib.h>

#include "base/buf.h"
#include "wire/http-body.h"

typedef struct HttpPlay {
        Buf in;
        Buf said;
        HttpRequest *request;
        HttpBody body;
        size_t body_max;
        bool over;
} HttpPlay;

static inline void http_play_separate(HttpPlay *p)
{
        if (buf_length(&p->said) > 0)
                buf_puts(&p->said, " | ");
}

static inline void http_play_refuse(HttpPlay *p, const HttpParseError *error)
{
        http_play_separate(p);
        buf_printf(&p->said, "%u", error->status);
        /* Not part of what is said: a request could say the same. */
        if (error->status < 400 || error->status > 599 || !error->text || !*error->text)
                abort();
        p->over = true;
}

static inline void http_play_bytes(HttpPlay *p, const char *name, Buf *bytes)
{
        buf_printf(&p->said, "%s{", name);
        if (buf_length(bytes) > 0)
                buf_append(&p->said, buf_head(bytes), buf_length(bytes));
        buf_puts(&p->said, "}");
}

/* True when there is more to do. */
static inline bool http_play_step(HttpPlay *p)
{
        HttpParseError error = {0};
        ssize_t n;

        if (!p->request) {
                n = http_request_parse(p->in.data ? buf_head(&p->in) : "", buf_length(&p->in), &p->request,
                                       &error);
                if (n < 0)
                        http_play_refuse(p, &error);
                if (n <= 0)
                        return false;
                buf_consume(&p->in, (size_t) n);
                http_body_init(&p->body, p->request, p->body_max);
                return true;
        }

        if (!p->body.done) {
                n = http_body_feed(&p->body, p->in.data ? buf_head(&p->in) : "", buf_length(&p->in), &error);
                if (n < 0) {
                        http_play_refuse(p, &error);
                        return false;
                }
                buf_consume(&p->in, (size_t) n);
                if (!p->body.done)
                        return false;
        }

        http_play_separate(p);
        buf_printf(&p->said, "%s %s 1.%u", p->request->method, p->request->target, p->request->minor);
        if (!p->request->keep_alive)
                buf_puts(&p->said, " close");
        if (p->request->expect_continue)
                buf_puts(&p->said, " expect");
        if (p->request->upgrade)
                buf_puts(&p->said, " upgrade");
        if (p->request->has_body)
                http_play_bytes(p, " ", &p->body.data);
        p->over = p->request->upgrade || !p->request->keep_alive;
        p->request = http_request_free(p->request);
        http_body_done(&p->body);
        return !p->over;
}

static inline void http_play_feed(HttpPlay *p, const char *data, size_t size)
{
        buf_append(&p->in, data, size);
        while (!p->over && http_play_step(p))
                ;
}

/* Ends the connection. The text is owned by the caller. */
static inline char *http_play_finish(HttpPlay *p)
{
        char *said;

        if (!p->over && (p->request || buf_length(&p->in) > 0)) {
                http_play_separate(p);
                buf_puts(&p->said, "more");
        } else if (p->over && p->said.data && buf_length(&p->in) > 0 && buf_length(&p->said) > 7 &&
                   memmem(buf_head(&p->said), buf_length(&p->said), " upgrade", 8))
                http_play_bytes(p, " rest", &p->in);
        buf_append(&p->said, "", 1);
        said = p->said.data;
        p->said.data = NULL;
        if (p->request)
                http_body_done(&p->body);
        http_request_free(p->request);
        buf_done(&p->in);
        return said;
}
