/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * A pure, incremental parser of HTTP/1.x requests. The caller collects bytes and asks after each read; the
 * parser does no I/O and keeps no bytes: the strings of a request are views into one owned copy of the head.
 *
 * It is strict where leniency has been used to smuggle requests (RFC 9112): one framing header only, decimal
 * Content-Length that agrees in all copies, chunked as the only transfer coding, no white space before a
 * colon, no folded lines, no bare CR, no NUL, tokens only in names. A bare LF ends a line as CRLF does. A
 * refusal has the status of the answer; the connection is then closed.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define HTTP_HEAD_MAX    (16 * 1024) /* bytes of the request line and header fields: else 431 */
#define HTTP_HEADERS_MAX 64          /* header fields: else 431 */

typedef struct HttpHeader {
        const char *name;  /* as sent; compare with strcasecmp */
        const char *value; /* without surrounding white space */
} HttpHeader;

typedef struct HttpRequest {
        char *head;         /* owned: the copy that the views below point into */
        const char *method; /* "POST" */
        const char *target; /* the raw target, absolute form reduced to its path and query */
        unsigned minor;     /* 0 for HTTP/1.0, else 1 */
        HttpHeader headers[HTTP_HEADERS_MAX];
        size_t n_headers;
        bool has_body; /* a framing header is present, be it "Content-Length: 0" */
        bool chunked;
        bool expect_continue;
        bool keep_alive;         /* requested by the client, by version and Connection */
        bool upgrade;            /* an Upgrade header is present, with any value */
        uint64_t content_length; /* when not chunked */
} HttpRequest;

HttpRequest *http_request_free(HttpRequest *r);
DEFINE_CLEANUP(HttpRequest, http_request_free);

typedef struct HttpParseError {
        unsigned status;  /* 400, 413, 417, 431, 501, 503, 505 */
        const char *text; /* static, one line */
} HttpParseError;

/* Looks for a whole head at the start of `data`. Returns the bytes used (> 0, *ret is set), 0 when more are
 * needed, or -EBADMSG with *reterr filled. Empty lines before the request line are skipped. */
ssize_t http_request_parse(const char *data, size_t size, HttpRequest **ret, HttpParseError *reterr);

/* The value of the first header of this name (any case), or NULL. */
const char *http_request_header(const HttpRequest *r, const char *name);
