/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/http-request.h"

#include <strings.h>

#include "base/decimal.h"
#include "wire/http-syntax.h"

#define METHOD_MAX 32

/* Such a length cannot overflow when a few bytes are added to it. */
#define CONTENT_LENGTH_MAX UINT64_C(999999999999999999)

static bool is_token(const char *s)
{
        if (!*s)
                return false;
        for (; *s; s++)
                if (!http_is_token_char((unsigned char) *s))
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

/* The characters of Host and of the authority of an absolute target. A slash, white space, user information
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
        /* No path means "/"; the last byte of the authority, which is no longer needed, makes room. */
        if (*path != '/')
                *--path = '/';
        return path;
}

static ssize_t parse_request_line(HttpRequest *r, char *line, HttpParseError *e)
{
        char *target, *version;

        target = strchr(line, ' ');
        if (!target)
                return http_fail(e, 400, "malformed request line");
        *target++ = 0;
        version = strchr(target, ' ');
        if (!version)
                return http_fail(e, 400, "malformed request line");
        *version++ = 0;
        if (!is_token(line) || strlen(line) > METHOD_MAX)
                return http_fail(e, 400, "malformed method");
        for (const unsigned char *p = (const unsigned char *) target; *p; p++)
                if (*p <= 0x20 || *p == 0x7f || *p == '#')
                        return http_fail(e, 400, "malformed request target");

        if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.' ||
            version[5] < '0' || version[5] > '9' || version[7] < '0' || version[7] > '9')
                return http_fail(e, 400, "malformed HTTP version");
        if (version[5] != '1')
                return http_fail(e, 505, "unsupported HTTP version");
        r->minor = version[7] == '0' ? 0 : 1;
        r->method = line;
        r->target = target_to_path(target);
        if (!r->target)
                return http_fail(e, 400, "malformed authority in the request target");
        for (const char *p = r->target; *p && *p != '?'; p++)
                if (*p == '%' &&
                    (http_hex_digit(p[1]) < 0 || http_hex_digit(p[2]) < 0 || strncmp(p, "%00", 3) == 0))
                        return http_fail(e, 400, "invalid URL escape in the path");
        if (*r->target != '/' && !(strcmp(r->target, "*") == 0 && strcmp(r->method, "OPTIONS") == 0))
                return http_fail(e, 400, "malformed request target");
        return 0;
}

static ssize_t parse_header_line(HttpRequest *r, char *line, HttpParseError *e)
{
        char *colon = strchr(line, ':'), *value, *end;

        if (line[0] == ' ' || line[0] == '\t')
                return http_fail(e, 400, "folded header lines are not accepted");
        if (!colon)
                return http_fail(e, 400, "malformed header line");
        *colon = 0;
        if (!is_token(line))
                return http_fail(e, 400, "malformed header name");
        value = colon + 1;
        value += strspn(value, " \t");
        end = value + strlen(value);
        while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
                *--end = 0;
        for (const unsigned char *p = (const unsigned char *) value; *p; p++)
                if ((*p < 0x20 && *p != '\t') || *p == 0x7f)
                        return http_fail(e, 400, "control character in a header value");
        if (r->n_headers >= HTTP_HEADERS_MAX)
                return http_fail(e, 431, "too many header fields: the limit is 64");
        r->headers[r->n_headers++] = (HttpHeader){.name = line, .value = value};
        return 0;
}

static ssize_t read_content_length(HttpRequest *r, const char *value, bool *seen, HttpParseError *e)
{
        uint64_t length;
        int n = decimal_parse(value, CONTENT_LENGTH_MAX, &length);

        if (n < 0)
                return http_fail(e, 400,
                                 n == -ERANGE ? "Content-Length is out of range"
                                              : "malformed Content-Length");
        if (*seen && length != r->content_length)
                return http_fail(e, 400, "different Content-Length headers");
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
                return http_fail(e, 400, "Transfer-Encoding in an HTTP/1.0 request");
        if (r->chunked)
                return http_fail(e, 400, "more than one Transfer-Encoding");
        if (strcasecmp(value, "chunked") != 0)
                return http_fail(e, 501, "unsupported Transfer-Encoding");
        r->chunked = true;
        return 0;
}

/* The meaning of the header fields for this exchange, as opposed to its handler. */
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
                                k = http_fail(e, 400, "more than one Host header");
                        else if (!is_authority(value, strlen(value)))
                                k = http_fail(e, 400, "malformed Host header");
                        has_host = true;
                } else if (strcasecmp(name, "Connection") == 0) {
                        close = close || list_has(value, "close");
                        keep_alive = keep_alive || list_has(value, "keep-alive");
                } else if (strcasecmp(name, "Upgrade") == 0)
                        r->upgrade = true;
                else if (strcasecmp(name, "Expect") == 0) {
                        if (strcasecmp(value, "100-continue") != 0)
                                k = http_fail(e, 417, "unsupported Expect header");
                        r->expect_continue = r->minor > 0;
                }
        }
        if (k < 0)
                return k;
        if (r->chunked && has_length)
                return http_fail(e, 400, "both Transfer-Encoding and Content-Length");
        if (r->minor > 0 && !has_host)
                return http_fail(e, 400, "missing required Host header");
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
                return http_fail(e, 400, "malformed request line");
        k = parse_request_line(r, line, e);
        while (k >= 0 && (line = next_line(&rest)) && *line)
                k = parse_header_line(r, line, e);
        return k < 0 ? k : interpret_headers(r, e);
}

/* Bytes that are invalid anywhere in a head. */
static ssize_t check_bytes(const char *data, size_t size, HttpParseError *e)
{
        for (size_t i = 0; i < size; i++) {
                if (data[i] == 0)
                        return http_fail(e, 400, "NUL byte in the request header section");
                if (data[i] == '\r' && (i + 1 >= size || data[i + 1] != '\n'))
                        return http_fail(e, 400, "bare CR in the request header section");
        }
        return 0;
}

ssize_t http_request_parse(const char *data, size_t size, HttpRequest **ret, HttpParseError *reterr)
{
        _cleanup_(http_request_freep) HttpRequest *r = NULL;
        size_t skipped = 0, length;
        ssize_t k;

        /* Old clients send an empty line after a body. */
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
                return http_fail(reterr, 431, "the request header section exceeds the limit of 16 KiB");
        if (length == 0)
                return 0;
        k = check_bytes(data + skipped, length, reterr);
        if (k < 0)
                return k;

        r = calloc(1, sizeof(HttpRequest));
        if (r)
                r->head = malloc(length + 1);
        if (!r || !r->head)
                return http_fail(reterr, 503, "out of memory");
        memcpy(r->head, data + skipped, length);
        r->head[length] = 0;
        k = parse_head(r, reterr);
        if (k < 0)
                return k;
        *ret = TAKE_PTR(r);
        return (ssize_t) (skipped + length);
}
