/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/http-request.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 32

/* Chunk extensions, trailer fields and the zeros in front of chunk sizes together, in bytes. */
#define TRAILER_MAX (8 * 1024)

static ssize_t fail(HttpParseError *e, unsigned status, const char *text)
{
        *e = (HttpParseError){.status = status, .text = text};
        return -EBADMSG;
}

static int hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* RFC 9110 token characters. */
static bool is_token_char(unsigned char c)
{
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               (c != 0 && strchr("!#$%&'*+-.^_`|~", c));
}

static bool is_token(const char *s)
{
        if (!*s)
                return false;
        for (; *s; s++)
                if (!is_token_char((unsigned char) *s))
                        return false;
        return true;
}

HttpRequest *http_request_free(HttpRequest *r)
{
        if (!r)
                return NULL;
        free(r->head);
        return mfree(r);
}

const char *http_request_header(const HttpRequest *r, const char *name)
{
        for (size_t i = 0; i < r->n_headers; i++)
                if (strcasecmp(r->headers[i].name, name) == 0)
                        return r->headers[i].value;
        return NULL;
}

/* The length of a head that ends with an empty line, that line included; 0 when it has no end yet. */
static size_t find_head_end(const char *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                if (data[i] != '\n')
                        continue;
                if (i + 1 < size && data[i + 1] == '\n')
                        return i + 2;
                if (i + 2 < size && data[i + 1] == '\r' && data[i + 2] == '\n')
                        return i + 3;
        }
        return 0;
}

/* Cuts the next line off, without its end. NULL after the last. */
static char *next_line(char **rest)
{
        char *line = *rest, *end;

        if (!line || !*line)
                return NULL;
        end = strchr(line, '\n');
        if (!end)
                return NULL;
        *rest = end + 1;
        *end = 0;
        if (end > line && end[-1] == '\r')
                end[-1] = 0;
        return line;
}

/* What may stand in Host and in the authority of an absolute target. A slash, white space, user information
 * and the like have been used to make two readers see two hosts. */
static bool is_authority(const char *s, size_t size)
{
        for (size_t i = 0; i < size; i++)
                if (!((s[i] >= '0' && s[i] <= '9') || (s[i] >= 'a' && s[i] <= 'z') ||
                      (s[i] >= 'A' && s[i] <= 'Z') || (s[i] && strchr("-._~!$&'()*+,;=:[]%", s[i]))))
                        return false;
        return true;
}

/* Of an absolute target (as through a proxy) only path and query count: there is one host here. NULL when it
 * is malformed. */
static const char *target_to_path(char *target)
{
        char *authority, *path;

        if (strncasecmp(target, "http://", 7) == 0)
                authority = target + 7;
        else if (strncasecmp(target, "https://", 8) == 0)
                authority = target + 8;
        else
                return target;
        path = authority + strcspn(authority, "/?");
        if (path == authority || !is_authority(authority, (size_t) (path - authority)))
                return NULL;
        /* No path means "/"; the last byte of the authority, which nobody reads any more, makes room. */
        if (*path != '/')
                *--path = '/';
        return path;
}

static ssize_t parse_request_line(HttpRequest *r, char *line, HttpParseError *e)
{
        char *target, *version;

        target = strchr(line, ' ');
        if (!target)
                return fail(e, 400, "malformed request line");
        *target++ = 0;
        version = strchr(target, ' ');
        if (!version)
                return fail(e, 400, "malformed request line");
        *version++ = 0;
        if (!is_token(line) || strlen(line) > METHOD_MAX)
                return fail(e, 400, "malformed method");
        for (const unsigned char *p = (const unsigned char *) target; *p; p++)
                if (*p <= 0x20 || *p == 0x7f || *p == '#')
                        return fail(e, 400, "malformed request target");

        if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.' ||
            version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
                return fail(e, 400, "malformed HTTP version");
        if (version[5] != '1')
                return fail(e, 505, "unsupported HTTP version");
        r->minor = version[7] == '0' ? 0 : 1;
        r->method = line;
        r->target = target_to_path(target);
        if (!r->target)
                return fail(e, 400, "malformed authority in the request target");
        for (const char *p = r->target; *p && *p != '?'; p++)
                if (*p == '%' && (hex_digit(p[1]) < 0 || hex_digit(p[2]) < 0 || strncmp(p, "%00", 3) == 0))
                        return fail(e, 400, "invalid URL escape in the path");
        if (*r->target != '/' && !(strcmp(r->target, "*") == 0 && strcmp(r->method, "OPTIONS") == 0))
                return fail(e, 400, "malformed request target");
        return 0;
}

static ssize_t parse_header_line(HttpRequest *r, char *line, HttpParseError *e)
{
        char *colon = strchr(line, ':'), *value, *end;

        if (line[0] == ' ' || line[0] == '\t')
                return fail(e, 400, "folded header lines are not accepted");
        if (!colon)
                return fail(e, 400, "malformed header line");
        *colon = 0;
        if (!is_token(line))
                return fail(e, 400, "malformed header name");
        value = colon + 1;
        value += strspn(value, " \t");
        end = value + strlen(value);
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = 0;
        for (const unsigned char *p = (const unsigned char *) value; *p; p++)
                if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
                        return fail(e, 400, "control character in a header value");
        if (r->n_headers >= HTTP_HEADERS_MAX)
                return fail(e, 431, "too many header fields: the limit is 64");
        r->headers[r->n_headers++] = (HttpHeader){.name = line, .value = value};
        return 0;
}

static ssize_t read_content_length(HttpRequest *r, const char *value, bool *seen, HttpParseError *e)
{
        uint64_t length = 0;

        if (!*value || strspn(value, "0123456789") != strlen(value))
                return fail(e, 400, "malformed Content-Length");
        if (strlen(value) > 18)
                return fail(e, 400, "Content-Length is out of range");
        for (; *value; value++)
                length = length * 10 + (uint64_t) (*value - '0');
        if (*seen && length != r->content_length)
                return fail(e, 400, "different Content-Length headers");
        *seen = true;
        r->content_length = length;
        return 0;
}

/* True when a comma list has this word. */
static bool list_has(const char *list, const char *word)
{
        size_t n = strlen(word);

        while (*list) {
                size_t length;

                list += strspn(list, " \t,");
                length = strcspn(list, ", \t");
                if (length == n && strncasecmp(list, word, n) == 0)
                        return true;
                list += length;
        }
        return false;
}

static ssize_t read_transfer_encoding(HttpRequest *r, const char *value, HttpParseError *e)
{
        if (r->minor == 0)
                return fail(e, 400, "Transfer-Encoding in an HTTP/1.0 request");
        if (r->chunked)
                return fail(e, 400, "more than one Transfer-Encoding");
        if (strcasecmp(value, "chunked") != 0)
                return fail(e, 501, "unsupported Transfer-Encoding");
        r->chunked = true;
        return 0;
}

/* What the header fields mean for this exchange, as opposed to for its handler. */
static ssize_t interpret_headers(HttpRequest *r, HttpParseError *e)
{
        bool has_length = false, has_host = false, close = false, keep_alive = false;
        ssize_t k = 0;

        for (size_t i = 0; i < r->n_headers && k >= 0; i++) {
                const char *name = r->headers[i].name, *value = r->headers[i].value;

                if (strcasecmp(name, "Content-Length") == 0)
                        k = read_content_length(r, value, &has_length, e);
                else if (strcasecmp(name, "Transfer-Encoding") == 0)
                        k = read_transfer_encoding(r, value, e);
                else if (strcasecmp(name, "Host") == 0) {
                        if (has_host)
                                k = fail(e, 400, "more than one Host header");
                        else if (!is_authority(value, strlen(value)))
                                k = fail(e, 400, "malformed Host header");
                        has_host = true;
                } else if (strcasecmp(name, "Connection") == 0) {
                        close = close || list_has(value, "close");
                        keep_alive = keep_alive || list_has(value, "keep-alive");
                } else if (strcasecmp(name, "Upgrade") == 0)
                        r->upgrade = true;
                else if (strcasecmp(name, "Expect") == 0) {
                        if (strcasecmp(value, "100-continue") != 0)
                                k = fail(e, 417, "unsupported Expect header");
                        r->expect_continue = r->minor > 0;
                }
        }
        if (k < 0)
                return k;
        if (r->chunked && has_length)
                return fail(e, 400, "both Transfer-Encoding and Content-Length");
        if (r->minor > 0 && !has_host)
                return fail(e, 400, "missing required Host header");
        r->has_body = r->chunked || has_length;
        r->keep_alive = !close && (r->minor > 0 || keep_alive);
        return 0;
}

static ssize_t parse_head(HttpRequest *r, HttpParseError *e)
{
        char *rest = r->head, *line;
        ssize_t k;

        line = next_line(&rest);
        if (!line)
                return fail(e, 400, "malformed request line");
        k = parse_request_line(r, line, e);
        while (k >= 0 && (line = next_line(&rest)) && *line)
                k = parse_header_line(r, line, e);
        return k < 0 ? k : interpret_headers(r, e);
}

/* Bytes that may not stand anywhere in a head. */
static ssize_t check_bytes(const char *data, size_t size, HttpParseError *e)
{
        for (size_t i = 0; i < size; i++) {
                if (data[i] == 0)
                        return fail(e, 400, "NUL byte in the request head");
                if (data[i] == '\r' && (i + 1 >= size || data[i + 1] != '\n'))
                        return fail(e, 400, "bare CR in the request head");
        }
        return 0;
}

ssize_t http_request_parse(const char *data, size_t size, HttpRequest **ret, HttpParseError *reterr)
{
        _cleanup_(http_request_freep) HttpRequest *r = NULL;
        size_t skipped = 0, length;
        ssize_t k;

        /* Old clients send an empty line behind a body. */
        while (skipped < size && skipped < HTTP_HEAD_MAX) {
                if (data[skipped] == '\n')
                        skipped++;
                else if (data[skipped] == '\r' && skipped + 1 < size && data[skipped + 1] == '\n')
                        skipped += 2;
                else
                        break;
        }

        length = find_head_end(data + skipped, size - skipped);
        if ((length == 0 && size >= HTTP_HEAD_MAX) || skipped + length > HTTP_HEAD_MAX)
                return fail(reterr, 431, "the request head exceeds the limit of 16 KiB");
        if (length == 0)
                return 0;
        k = check_bytes(data + skipped, length, reterr);
        if (k < 0)
                return k;

        r = calloc(1, sizeof(HttpRequest));
        if (r)
                r->head = malloc(length + 1);
        if (!r || !r->head)
                return fail(reterr, 503, "out of memory");
        memcpy(r->head, data + skipped, length);
        r->head[length] = 0;
        k = parse_head(r, reterr);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return (ssize_t) (skipped + length);
}

/* Where a chunked body is. */
enum {
        CHUNK_SIZE_FIRST, /* a hexadecimal digit has to come */
        CHUNK_SIZE,       /* more digits, an extension, or the end of the line */
        CHUNK_EXTENSION,
        CHUNK_SIZE_LF,
        CHUNK_DATA,
        CHUNK_DATA_CR,
        CHUNK_DATA_LF,
        TRAILER_START, /* at the start of a trailer line: an empty one ends the body */
        TRAILER_NAME,
        TRAILER_VALUE,
        TRAILER_LF,
        TRAILER_LAST_LF,
};

void http_body_init(HttpBody *b, const HttpRequest *r, size_t max)
{
        *b = (HttpBody){
                .chunked = r->chunked,
                .remaining = r->chunked ? 0 : r->content_length,
                .done = !r->chunked && r->content_length == 0,
                .state = CHUNK_SIZE_FIRST,
                .max = max,
        };
}

void http_body_done(HttpBody *b)
{
        buf_done(&b->data);
        *b = (HttpBody){0};
}

static ssize_t body_take(HttpBody *b, const char *data, size_t size, HttpParseError *e)
{
        size_t n = (size_t) MIN((uint64_t) size, b->remaining);

        if (b->remaining > b->max - MIN(b->max, buf_length(&b->data)))
                return fail(e, 413, "the body exceeds the limit of 4 MiB");
        buf_append(&b->data, data, n);
        if (buf_error(&b->data) < 0)
                return fail(e, 503, "out of memory");
        b->remaining -= n;
        return (ssize_t) n;
}

/* One digit of a chunk's size, or what ends it. */
static ssize_t chunk_size_byte(HttpBody *b, char c, HttpParseError *e)
{
        int digit = hex_digit(c);

        if (digit >= 0) {
                if (b->remaining > UINT32_MAX)
                        return fail(e, 413, "a chunk is too large");
                b->remaining = b->remaining * 16 + (uint64_t) digit;
                b->state = CHUNK_SIZE;
                /* Leading zeros without end. */
                if (b->remaining == 0 && ++b->trailer_size > TRAILER_MAX)
                        return fail(e, 400, "malformed chunk size");
                return 0;
        }
        if (b->state == CHUNK_SIZE_FIRST)
                return fail(e, 400, "malformed chunk size");
        if (c == '\r')
                b->state = CHUNK_SIZE_LF;
        else if (c == ';')
                b->state = CHUNK_EXTENSION;
        else
                return fail(e, 400, "malformed chunk size");
        return 0;
}

/* A byte of a line whose text does not matter, but may not hide a line end. */
static ssize_t line_byte(HttpBody *b, char c, unsigned at_cr, HttpParseError *e)
{
        if (++b->trailer_size > TRAILER_MAX)
                return fail(e, 431, "chunk extensions and trailers exceed the limit of 8 KiB");
        if (c == '\r') {
                b->state = at_cr;
                return 0;
        }
        if (((unsigned char) c < 0x20 && c != '\t') || c == 0x7f)
                return fail(e, 400, "control character in a chunk line or trailer");
        return 0;
}

/* A byte of a trailer's name, up to and with the colon. */
static ssize_t trailer_name_byte(HttpBody *b, char c, HttpParseError *e)
{
        if (c == ':' && b->state == TRAILER_NAME)
                b->state = TRAILER_VALUE;
        else if (is_token_char((unsigned char) c))
                b->state = TRAILER_NAME;
        else
                return fail(e, 400, "malformed trailer");
        return line_byte(b, c, TRAILER_LF, e);
}

static ssize_t expect_byte(HttpBody *b, char c, char expected, unsigned next, HttpParseError *e)
{
        if (c != expected)
                return fail(e, 400, "malformed chunked encoding");
        b->state = next;
        return 0;
}

static ssize_t chunk_byte(HttpBody *b, char c, HttpParseError *e)
{
        ssize_t k;

        switch (b->state) {
        case CHUNK_SIZE_FIRST:
        case CHUNK_SIZE:
                return chunk_size_byte(b, c, e);
        case CHUNK_EXTENSION:
                return line_byte(b, c, CHUNK_SIZE_LF, e);
        case CHUNK_SIZE_LF:
                return expect_byte(b, c, '\n', b->remaining > 0 ? CHUNK_DATA : TRAILER_START, e);
        case CHUNK_DATA_CR:
                return expect_byte(b, c, '\r', CHUNK_DATA_LF, e);
        case CHUNK_DATA_LF:
                return expect_byte(b, c, '\n', CHUNK_SIZE_FIRST, e);
        case TRAILER_START:
                if (c != '\r')
                        return trailer_name_byte(b, c, e);
                b->state = TRAILER_LAST_LF;
                return 0;
        case TRAILER_NAME:
                return trailer_name_byte(b, c, e);
        case TRAILER_VALUE:
                return line_byte(b, c, TRAILER_LF, e);
        case TRAILER_LF:
                return expect_byte(b, c, '\n', TRAILER_START, e);
        default:
                k = expect_byte(b, c, '\n', TRAILER_LAST_LF, e);
                b->done = k >= 0;
                return k;
        }
}

ssize_t http_body_feed(HttpBody *b, const char *data, size_t size, HttpParseError *reterr)
{
        size_t used = 0;

        while (used < size && !b->done) {
                ssize_t k;

                if (b->chunked && b->state != CHUNK_DATA) {
                        k = chunk_byte(b, data[used], reterr);
                        if (k < 0)
                                return k;
                        used++;
                        continue;
                }
                k = body_take(b, data + used, size - used, reterr);
                if (k < 0)
                        return k;
                used += (size_t) k;
                if (b->remaining > 0)
                        continue;
                if (b->chunked)
                        b->state = CHUNK_DATA_CR;
                else
                        b->done = true;
        }
        return (ssize_t) used;
}

/* Decodes [text, text + size). NULL with *bad set when an escape is wrong, with *bad NULL when out of
 * memory. */
static char *percent_decode(const char *text, size_t size, bool plus_is_space, const char **bad)
{
        char *out = malloc(size + 1);
        size_t n = 0;

        *bad = NULL;
        if (!out)
                return NULL;
        for (size_t i = 0; i < size; i++) {
                int high, low;

                if (text[i] != '%') {
                        out[n++] = plus_is_space && text[i] == '+' ? ' ' : text[i];
                        continue;
                }
                high = i + 1 < size ? hex_digit(text[i + 1]) : -1;
                low = i + 2 < size ? hex_digit(text[i + 2]) : -1;
                /* A NUL would cut the string short of what was sent. */
                if (high < 0 || low < 0 || (high == 0 && low == 0)) {
                        *bad = text + i;
                        free(out);
                        return NULL;
                }
                out[n++] = (char) (high * 16 + low);
                i += 2;
        }
        out[n] = 0;
        return out;
}

int http_target_path(const char *target, char **ret)
{
        const char *bad;
        char *path = percent_decode(target, strcspn(target, "?"), false, &bad);

        if (!path)
                return bad ? -EBADMSG : -ENOMEM;
        *ret = path;
        return 0;
}

int http_target_query(const char *target, const char *name, char **ret, char **ret_bad)
{
        _cleanup_free_ char *value = NULL;
        const char *p = strchr(target, '?');
        bool found = false;

        for (p = p ? p + 1 : ""; *p;) {
                size_t length = strcspn(p, "&"), key_length = MIN(strcspn(p, "="), length);
                _cleanup_free_ char *key = NULL, *text = NULL;
                const char *bad;

                key = percent_decode(p, key_length, true, &bad);
                if (key)
                        text = key_length < length ? percent_decode(p + key_length + 1,
                                                                    length - key_length - 1, true, &bad)
                                                   : strdup("");
                if (!key || !text) {
                        if (!bad)
                                return -ENOMEM;
                        if (ret_bad) {
                                const char *end = p + (key ? length : key_length);

                                *ret_bad = strndup(bad, MIN((size_t) 3, (size_t) (end - bad)));
                        }
                        return -EBADMSG;
                }
                if (!found && strcmp(key, name) == 0) {
                        value = TAKE_PTR(text);
                        found = true;
                }
                p += length;
                p += *p == '&';
        }
        if (!found)
                return -ENOENT;
        *ret = TAKE_PTR(value);
        return 0;
}
