/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The body of a request, incrementally: it is collected as the bytes come. */

#include "base/buf.h"
#include "wire/http-request.h"

/* Takes a body apart: Content-Length or chunked, with a limit, to the very byte where it ends. */
typedef struct HttpBody {
        Buf data; /* the decoded bytes */
        bool chunked;
        bool done;
        uint64_t remaining; /* of the body, or of the chunk */
        unsigned state;     /* private to http_body_feed() */
        size_t max;
        size_t trailer_size; /* private: bounds chunk extensions and trailers */
} HttpBody;

void http_body_init(HttpBody *b, const HttpRequest *r, size_t max);
void http_body_done(HttpBody *b);
/* Consumes from `data`. Returns the bytes used (at most size; b->done is set after the end of the body), or
 * -EBADMSG with *reterr filled (413 when larger than max). */
ssize_t http_body_feed(HttpBody *b, const char *data, size_t size, HttpParseError *reterr);
