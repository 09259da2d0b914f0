/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/http-fetch.h"

#include <stdio.h>
#include <string.h>

#include "api/http-connection.h"
#include "base/log.h"

#define PIECE (128 * 1024)

struct HttpFetch {
        HttpExchange *exchange; /* weak: it owns this */
        Fetch *fetch;
        const char *content_type, *failure;
        uint64_t left; /* bytes of the body still to be read */
};

void http_fetch_free(HttpFetch *f)
{
        if (!f)
                return;
        fetch_free(f->fetch);
        free(f);
}

static void fetch_feed(HttpExchange *x)
{
        HttpConnection *c = x->connection;
        HttpFetch *f = x->fetch;
        size_t size = (size_t) MIN(f->left, (uint64_t) PIECE);
        char *p = size > 0 ? buf_reserve(&c->out, size) : NULL;
        ssize_t n = p ? fetch_read(f->fetch, p, size) : 0;

        if (n > 0) {
                buf_commit(&c->out, (size_t) n);
                f->left -= (uint64_t) n;
                (void) sd_event_source_set_enabled(c->timer, SD_EVENT_OFF);
        } else if (f->left == 0)
                c->state = CONNECTION_REPLIED;
        else if (n != -EAGAIN)
                /* The body is shorter than its header says, which only the end of the connection can show. */
                c->dead = true;
        if (n != -EAGAIN)
                connection_step(c);
}

static void fetch_on_data(void *userdata)
{
        const HttpFetch *f = userdata;

        http_stream_wake(f->exchange);
}

static void fetch_on_answer(void *userdata, int error, uint64_t size)
{
        HttpFetch *f = userdata;
        HttpExchange *x = f->exchange;
        HttpConnection *c = x->connection;
        char message[160];

        if (error < 0) {
                log_errno(LOG_WARNING, error, "Failed to answer %s", x->path);
                snprintf(message, sizeof(message), "%s: %s", f->failure, strerror(-error));
                http_add_header(x, "Retry-After: 1");
                http_reply_error(x, 503, message);
                return;
        }
        f->left = x->head_only ? 0 : size;
        connection_put_head(c, 200, f->content_type, (int64_t) size);
        c->state = CONNECTION_STREAMING;
        x->feed = fetch_feed;
        connection_step(c);
}

int http_fetch(HttpExchange *x, const FetchJob *job, const char *content_type, const char *failure,
               Refusal *reterr)
{
        static const FetchEvents events = {.on_answer = fetch_on_answer, .on_data = fetch_on_data};
        HttpFetch *f = calloc(1, sizeof(HttpFetch));

        if (!f)
                return -ENOMEM;
        *f = (HttpFetch){.exchange = x, .content_type = content_type, .failure = failure};
        x->fetch = f;
        return fetch_new(x->manager->helpers, job, &events, f, &f->fetch, reterr);
}
