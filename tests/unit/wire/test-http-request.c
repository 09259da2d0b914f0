/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Requests as bytes, odd and hostile ones above all: each row is played whole, cut in two at every place,
 * and byte by byte, and has to come out the same each time. How bytes arrive must never change what they
 * mean.
 */

#include <stdlib.h>

#include "unit/test.h"
#include "unit/wire/http-play.h"

#define BODY_MAX            64
#define H                   "Host: x\r\n"
#define GET(...)            "GET / HTTP/1.1\r\n" H __VA_ARGS__ "\r\n"
#define POST(framing, body) "POST /p HTTP/1.1\r\n" H framing "\r\n" body
#define CHUNKED             "Transfer-Encoding: chunked\r\n"

#define TEXT(t)             (t), sizeof(t) - 1

static const struct {
        const char *name;
        const char *data;
        size_t size;
        const char *expected;
} rows[] = {
        /* Request lines. */
        {"plain", TEXT(GET()), "GET / 1.1"},
        {"LF only", TEXT("GET / HTTP/1.1\nHost: x\n\n"), "GET / 1.1"},
        {"LF and CRLF mixed", TEXT("GET / HTTP/1.1\r\nHost: x\n\r\n"), "GET / 1.1"},
        {"empty lines before", TEXT("\r\n\n\r\n" GET()), "GET / 1.1"},
        {"nothing", TEXT(""), ""},
        {"half a request line", TEXT("GET / HT"), "more"},
        {"no end", TEXT("GET / HTTP/1.1\r\nHost: x\r\n"), "more"},
        {"empty lines only", TEXT("\r\n\r\n"), "more"},
        {"query", TEXT("GET /a?b=%20c HTTP/1.1\r\n" H "\r\n"), "GET /a?b=%20c 1.1"},
        {"any token is a method", TEXT("M-SEARCH / HTTP/1.1\r\n" H "\r\n"), "M-SEARCH / 1.1"},
        {"method with bracket", TEXT("G(T / HTTP/1.1\r\n" H "\r\n"), "400"},
        {"method too long", TEXT("GETGETGETGETGETGETGETGETGETGETGET / HTTP/1.1\r\n" H "\r\n"), "400"},
        {"no method", TEXT(" / HTTP/1.1\r\n" H "\r\n"), "400"},
        {"two spaces before target", TEXT("GET  / HTTP/1.1\r\n" H "\r\n"), "400"},
        {"two spaces before version", TEXT("GET /  HTTP/1.1\r\n" H "\r\n"), "400"},
        {"tab for a space", TEXT("GET\t/\tHTTP/1.1\r\n" H "\r\n"), "400"},
        {"space behind version", TEXT("GET / HTTP/1.1 \r\n" H "\r\n"), "400"},
        {"space in target", TEXT("GET /a b HTTP/1.1\r\n" H "\r\n"), "400"},
        {"no version (HTTP/0.9)", TEXT("GET /\r\n\r\n"), "400"},
        {"one word", TEXT("hello\r\n\r\n"), "400"},
        {"TLS hello", TEXT("\x16\x03\x01\x02\n\n"), "400"},
        {"lower-case version", TEXT("GET / http/1.1\r\n" H "\r\n"), "400"},
        {"version of two digits", TEXT("GET / HTTP/1.10\r\n" H "\r\n"), "400"},
        {"version with a letter", TEXT("GET / HTTP/1.x\r\n" H "\r\n"), "400"},
        {"version without a minor", TEXT("GET / HTTP/1\r\n" H "\r\n"), "400"},
        {"HTTP/0.9", TEXT("GET / HTTP/0.9\r\n\r\n"), "505"},
        {"HTTP/2.0 preface", TEXT("PRI * HTTP/2.0\r\n\r\n"), "505"},
        {"HTTP/3.0", TEXT("GET / HTTP/3.0\r\n" H "\r\n"), "505"},
        {"HTTP/1.2 is as 1.1", TEXT("GET / HTTP/1.2\r\n" H "\r\n"), "GET / 1.1"},
        {"HTTP/1.0", TEXT("GET / HTTP/1.0\r\n\r\n"), "GET / 1.0 close"},

        /* Targets. */
        {"absolute", TEXT("GET http://h/a?b HTTP/1.1\r\n" H "\r\n"), "GET /a?b 1.1"},
        {"absolute, https", TEXT("GET HTTPS://h:1/a HTTP/1.1\r\n" H "\r\n"), "GET /a 1.1"},
        {"absolute, no path", TEXT("GET http://h HTTP/1.1\r\n" H "\r\n"), "GET / 1.1"},
        {"absolute, query only", TEXT("GET http://h?a=/b HTTP/1.1\r\n" H "\r\n"), "GET /?a=/b 1.1"},
        {"absolute, no host", TEXT("GET http:///a HTTP/1.1\r\n" H "\r\n"), "400"},
        {"absolute, user", TEXT("GET http://u@h/a HTTP/1.1\r\n" H "\r\n"), "400"},
        {"absolute, backslash", TEXT("GET http://h\\/a HTTP/1.1\r\n" H "\r\n"), "400"},
        {"another scheme", TEXT("GET ftp://h/a HTTP/1.1\r\n" H "\r\n"), "400"},
        {"scheme inside", TEXT("GET x?http://h/a HTTP/1.1\r\n" H "\r\n"), "400"},
        {"relative", TEXT("GET a HTTP/1.1\r\n" H "\r\n"), "400"},
        {"fragment", TEXT("GET /a#b HTTP/1.1\r\n" H "\r\n"), "400"},
        {"control byte in target", TEXT("GET /a\x01 HTTP/1.1\r\n" H "\r\n"), "400"},
        {"NUL in target", TEXT("GET /a\0b HTTP/1.1\r\n" H "\r\n"), "400"},
        {"bad escape in path", TEXT("GET /%zz HTTP/1.1\r\n" H "\r\n"), "400"},
        {"short escape in path", TEXT("GET /%4 HTTP/1.1\r\n" H "\r\n"), "400"},
        {"escaped NUL in path", TEXT("GET /a%00 HTTP/1.1\r\n" H "\r\n"), "400"},
        {"OPTIONS *", TEXT("OPTIONS * HTTP/1.1\r\n" H "\r\n"), "OPTIONS * 1.1"},
        {"GET *", TEXT("GET * HTTP/1.1\r\n" H "\r\n"), "400"},
        {"CONNECT", TEXT("CONNECT h:80 HTTP/1.1\r\n" H "\r\n"), "400"},
        {"authority without CONNECT", TEXT("GET h:80 HTTP/1.1\r\n" H "\r\n"), "400"},

        /* Host. */
        {"no Host", TEXT("GET / HTTP/1.1\r\n\r\n"), "400"},
        {"two Hosts", TEXT("GET / HTTP/1.1\r\n" H H "\r\n"), "400"},
        {"two Hosts on 1.0", TEXT("GET / HTTP/1.0\r\n" H H "\r\n"), "400"},
        {"Host with slash", TEXT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), "400"},
        {"Host with user", TEXT("GET / HTTP/1.1\r\nHost: u@h\r\n\r\n"), "400"},
        {"Host with space", TEXT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), "400"},
        {"Host with question mark", TEXT("GET / HTTP/1.1\r\nHost: a?b\r\n\r\n"), "400"},
        {"empty Host", TEXT("GET / HTTP/1.1\r\nHost:\r\n\r\n"), "GET / 1.1"},
        {"escaped socket path in Host", TEXT("GET / HTTP/1.1\r\nHost: %2Frun%2Fx.sock\r\n\r\n"),
         "GET / 1.1"},
        {"IPv6 Host", TEXT("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), "GET / 1.1"},

        /* Header fields. */
        {"no space, spaces, tabs", TEXT("GET / HTTP/1.1\r\nHost:x\r\nA:\t b \t\r\nB:\r\n\r\n"), "GET / 1.1"},
        {"names in any case", TEXT("POST /p HTTP/1.1\r\nhOST: x\r\ncONTENT-lENGTH: 2\r\n\r\nab"),
         "POST /p 1.1 {ab}"},
        {"bytes above 0x7f in a value", TEXT(GET("A: \xc3\xa4\xff\r\n")), "GET / 1.1"},
        {"space before colon", TEXT(GET("A : b\r\n")), "400"},
        {"tab before colon", TEXT(GET("A\t: b\r\n")), "400"},
        {"folded", TEXT(GET("A: b\r\n c\r\n")), "400"},
        {"folded with tab", TEXT(GET("A: b\r\n\tc\r\n")), "400"},
        {"folded first header", TEXT("GET / HTTP/1.1\r\n A: b\r\n" H "\r\n"), "400"},
        {"no colon", TEXT(GET("nonsense\r\n")), "400"},
        {"empty name", TEXT(GET(": b\r\n")), "400"},
        {"name with a bracket", TEXT(GET("A[]: b\r\n")), "400"},
        {"name above 0x7f", TEXT(GET("\xc3\xa4: b\r\n")), "400"},
        {"bare CR in value", TEXT(GET("A: b\rc\r\n")), "400"},
        {"CR CR LF", TEXT(GET("A: b\r\r\n")), "400"},
        {"bare CR for a line end", TEXT("GET / HTTP/1.1\rHost: x\r\r\n\r\n"), "400"},
        {"NUL in value", TEXT(GET("A: b\0c\r\n")), "400"},
        {"NUL in name", TEXT(GET("A\0: b\r\n")), "400"},
        {"escape character in value", TEXT(GET("A: \x1b[0m\r\n")), "400"},
        {"DEL in value", TEXT(GET("A: \x7f\r\n")), "400"},

        /* The meaning of the fields. */
        {"close", TEXT(GET("Connection: close\r\n")), "GET / 1.1 close"},
        {"close in a list", TEXT(GET("Connection: x, Close\r\n")), "GET / 1.1 close"},
        {"closely", TEXT(GET("Connection: closely\r\n")), "GET / 1.1"},
        {"keep-alive on 1.0", TEXT("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), "GET / 1.0"},
        {"close beats keep-alive", TEXT(GET("Connection: keep-alive\r\nConnection: close\r\n")),
         "GET / 1.1 close"},
        {"upgrade with an empty value", TEXT(GET("Upgrade:\r\n")), "GET / 1.1 upgrade"},
        {"expect", TEXT(POST("Expect: 100-Continue\r\nContent-Length: 1\r\n", "a")),
         "POST /p 1.1 expect {a}"},
        {"expect on 1.0", TEXT("POST /p HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\na"),
         "POST /p 1.0 close {a}"},
        {"expect more", TEXT(GET("Expect: 200-ok\r\n")), "417"},

        /* Framing by length. */
        {"no body", TEXT("POST /p HTTP/1.1\r\n" H "\r\n"), "POST /p 1.1"},
        {"length 0", TEXT(POST("Content-Length: 0\r\n", "")), "POST /p 1.1 {}"},
        {"length", TEXT(POST("Content-Length: 3\r\n", "abc")), "POST /p 1.1 {abc}"},
        {"length with zeros", TEXT(POST("Content-Length: 003\r\n", "abc")), "POST /p 1.1 {abc}"},
        {"short of its length", TEXT(POST("Content-Length: 4\r\n", "abc")), "more"},
        {"same length twice", TEXT(POST("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")),
         "POST /p 1.1 {abc}"},
        {"two lengths", TEXT(POST("Content-Length: 3\r\nContent-Length: 4\r\n", "abcd")), "400"},
        {"list of lengths", TEXT(POST("Content-Length: 3, 3\r\n", "abc")), "400"},
        {"empty length", TEXT(POST("Content-Length:\r\n", "")), "400"},
        {"signed length", TEXT(POST("Content-Length: +3\r\n", "abc")), "400"},
        {"negative length", TEXT(POST("Content-Length: -1\r\n", "")), "400"},
        {"hexadecimal length", TEXT(POST("Content-Length: 0x3\r\n", "abc")), "400"},
        {"length with a fraction", TEXT(POST("Content-Length: 3.0\r\n", "abc")), "400"},
        {"length with a space inside", TEXT(POST("Content-Length: 1 1\r\n", "abc")), "400"},
        {"length out of range", TEXT(POST("Content-Length: 18446744073709551619\r\n", "abc")), "400"},
        {"length above the limit", TEXT(POST("Content-Length: 65\r\n", "a")), "413"},
        {"length at the limit",
         TEXT(POST("Content-Length: 64\r\n",
                   "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")),
         "POST /p 1.1 {0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef}"},

        /* Framing by chunks. */
        {"chunks", TEXT(POST(CHUNKED, "3\r\nabc\r\n0002\r\nde\r\n0\r\n\r\n")), "POST /p 1.1 {abcde}"},
        {"chunk of ten", TEXT(POST(CHUNKED, "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n")),
         "POST /p 1.1 {01234567890123456789}"},
        {"no chunk", TEXT(POST(CHUNKED, "0\r\n\r\n")), "POST /p 1.1 {}"},
        {"coding in any case", TEXT(POST("Transfer-Encoding: CHUNKED\r\n", "0\r\n\r\n")), "POST /p 1.1 {}"},
        {"chunk extension", TEXT(POST(CHUNKED, "1;a=\"b\"\r\nx\r\n0;z\r\n\r\n")), "POST /p 1.1 {x}"},
        {"trailer", TEXT(POST(CHUNKED, "1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\n")), "POST /p 1.1 {x}"},
        {"trailer that looks like a request", TEXT(POST(CHUNKED, "0\r\nGET: / HTTP/1.1\r\n\r\n" GET())),
         "POST /p 1.1 {} | GET / 1.1"},
        {"trailer without a colon", TEXT(POST(CHUNKED, "0\r\nGET / HTTP/1.1\r\n\r\n")), "400"},
        {"folded trailer", TEXT(POST(CHUNKED, "0\r\nA: b\r\n c\r\n\r\n")), "400"},
        {"NUL in trailer", TEXT(POST(CHUNKED, "0\r\nA: \0\r\n\r\n")), "400"},
        {"LF in trailer", TEXT(POST(CHUNKED, "0\r\nA: b\n\r\n")), "400"},
        {"bare LF behind size", TEXT(POST(CHUNKED, "3\nabc\r\n0\r\n\r\n")), "400"},
        {"bare LF behind chunk", TEXT(POST(CHUNKED, "3\r\nabc\n0\r\n\r\n")), "400"},
        {"bare CR behind size", TEXT(POST(CHUNKED, "3\rabc\r\n0\r\n\r\n")), "400"},
        {"another byte for LF behind size", TEXT(POST(CHUNKED, "3\rXabc\r\n0\r\n\r\n")), "400"},
        {"another byte for CR behind chunk", TEXT(POST(CHUNKED, "3\r\nabcX\n0\r\n\r\n")), "400"},
        {"another byte for LF behind chunk", TEXT(POST(CHUNKED, "3\r\nabc\rX0\r\n\r\n")), "400"},
        {"another byte for LF behind trailer", TEXT(POST(CHUNKED, "0\r\nA: b\rX\r\n")), "400"},
        {"another byte for the last LF", TEXT(POST(CHUNKED, "0\r\n\rX")), "400"},
        {"bare LF in extension", TEXT(POST(CHUNKED, "3;a\nabc\r\n0\r\n\r\n")), "400"},
        {"bare CR in extension", TEXT(POST(CHUNKED, "3;a\rb\r\nabc\r\n0\r\n\r\n")), "400"},
        {"chunk longer than said", TEXT(POST(CHUNKED, "2\r\nabc\r\n0\r\n\r\n")), "400"},
        {"no size", TEXT(POST(CHUNKED, "\r\n\r\n")), "400"},
        {"size with a sign", TEXT(POST(CHUNKED, "+3\r\nabc\r\n0\r\n\r\n")), "400"},
        {"size with 0x", TEXT(POST(CHUNKED, "0x3\r\nabc\r\n0\r\n\r\n")), "400"},
        {"space before size", TEXT(POST(CHUNKED, " 3\r\nabc\r\n0\r\n\r\n")), "400"},
        {"space behind size", TEXT(POST(CHUNKED, "3 \r\nabc\r\n0\r\n\r\n")), "400"},
        {"size that wraps 64 bits", TEXT(POST(CHUNKED, "10000000000000003\r\nabc\r\n0\r\n\r\n")), "413"},
        {"chunk above the limit", TEXT(POST(CHUNKED, "41\r\na")), "413"},
        {"chunks above the limit together", TEXT(POST(CHUNKED, "1\r\na\r\n40\r\na")), "413"},
        {"chunks cut short", TEXT(POST(CHUNKED, "3\r\nabc\r\n0\r\n")), "more"},
        {"length and chunks", TEXT(POST("Content-Length: 3\r\n" CHUNKED, "0\r\n\r\n")), "400"},
        {"chunks and length", TEXT(POST(CHUNKED "Content-Length: 3\r\n", "0\r\n\r\n")), "400"},
        {"chunked on 1.0", TEXT("POST /p HTTP/1.0\r\n" CHUNKED "\r\n0\r\n\r\n"), "400"},
        {"chunked twice", TEXT(POST(CHUNKED CHUNKED, "0\r\n\r\n")), "400"},
        {"another coding", TEXT(POST("Transfer-Encoding: gzip\r\n", "0\r\n\r\n")), "501"},
        {"two codings", TEXT(POST("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n")), "501"},
        {"coding that begins like chunked", TEXT(POST("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n")),
         "501"},
        {"identity", TEXT(POST("Transfer-Encoding: identity\r\n", "")), "501"},

        /* One after the other, and then data that is no request. */
        {"pipelined", TEXT(POST("Content-Length: 1\r\n", "a") GET()), "POST /p 1.1 {a} | GET / 1.1"},
        {"line end behind a body", TEXT(POST("Content-Length: 1\r\n", "a") "\r\n" GET()),
         "POST /p 1.1 {a} | GET / 1.1"},
        {"second one odd", TEXT(GET() "GET\r\n\r\n"), "GET / 1.1 | 400"},
        {"nothing is read behind close", TEXT(GET("Connection: close\r\n") "GET\r\n\r\n"),
         "GET / 1.1 close"},
        {"stdin behind an upgrade",
         TEXT(POST("Upgrade: tcp\r\nContent-Length: 2\r\n", "{}") "GET / HTTP/1.1\r\n\r\n"),
         "POST /p 1.1 upgrade {{}} rest{GET / HTTP/1.1\r\n\r\n}"},
        {"stdin behind chunks", TEXT(POST("Upgrade: tcp\r\n" CHUNKED, "2\r\n{}\r\n0\r\n\r\n") "\r\nls\n"),
         "POST /p 1.1 upgrade {{}} rest{\r\nls\n}"},
};

static char *play(const char *data, size_t size, size_t first, size_t step)
{
        HttpPlay p = {.body_max = BODY_MAX};

        http_play_feed(&p, data, first);
        for (size_t at = first; at < size; at += step)
                http_play_feed(&p, data + at, MIN(step, size - at));
        return http_play_finish(&p);
}

static void test_rows(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_free_ char *whole = play(rows[i].data, rows[i].size, rows[i].size, 1);
                _cleanup_free_ char *bytes = play(rows[i].data, rows[i].size, 0, 1);

                CHECK_TEXT(rows[i].name, whole, rows[i].expected);
                CHECK_TEXT(rows[i].name, bytes, rows[i].expected);
                for (size_t cut = 1; cut < rows[i].size; cut++) {
                        _cleanup_free_ char *parts = play(rows[i].data, rows[i].size, cut, rows[i].size);

                        CHECK_TEXT(rows[i].name, parts, rows[i].expected);
                }
        }
}

/* A request whose head has this many bytes in all. */
static char *head_of_size(size_t size)
{
        static const char start[] = "GET / HTTP/1.1\r\nHost: x\r\nA: ", end[] = "\r\n\r\n";
        char *data = malloc(size + 1);

        memset(data, 'a', size);
        memcpy(data, start, sizeof(start) - 1);
        memcpy(data + size - sizeof(end) + 1, end, sizeof(end));
        return data;
}

static void test_head_limit(void)
{
        static const struct {
                size_t size;
                const char *expected;
        } sizes[] = {
                {HTTP_HEAD_MAX - 1, "GET / 1.1"},
                {HTTP_HEAD_MAX, "GET / 1.1"},
                {HTTP_HEAD_MAX + 1, "431"},
                {2 * HTTP_HEAD_MAX, "431"},
        };

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                _cleanup_free_ char *data = head_of_size(sizes[i].size);
                _cleanup_free_ char *whole = play(data, sizes[i].size, sizes[i].size, 1);
                _cleanup_free_ char *parts = play(data, sizes[i].size, 1, 97);

                CHECK_TEXT("head size", whole, sizes[i].expected);
                CHECK_TEXT("head size", parts, sizes[i].expected);
        }

        /* Input without an end is refused, too, as soon as it is too large. */
        {
                _cleanup_free_ char *data = head_of_size(HTTP_HEAD_MAX + 8);
                _cleanup_free_ char *said = play(data, HTTP_HEAD_MAX + 1, HTTP_HEAD_MAX + 1, 1);

                CHECK_TEXT("head without end", said, "431");
        }
}

static void test_header_count(void)
{
        for (size_t n = HTTP_HEADERS_MAX - 1; n <= HTTP_HEADERS_MAX + 1; n++) {
                _cleanup_buf_ Buf b = BUF_INIT;
                _cleanup_free_ char *said = NULL;

                buf_puts(&b, "GET / HTTP/1.1\r\n" H);
                for (size_t i = 1; i < n; i++)
                        buf_printf(&b, "A%zu: b\r\n", i);
                buf_puts(&b, "\r\n");
                said = play(buf_head(&b), buf_length(&b), buf_length(&b), 1);
                CHECK_TEXT("header fields", said, n <= HTTP_HEADERS_MAX ? "GET / 1.1" : "431");
        }
}

/* The framing of the chunks is bounded, but a body of many small chunks is valid. */
static void test_chunk_framing(void)
{
        _cleanup_buf_ Buf small = BUF_INIT, extension = BUF_INIT, trailer = BUF_INIT, zeros = BUF_INIT;
        const struct {
                const char *name;
                Buf *data;
                size_t n;
                const char *piece, *end, *expected;
        } cases[] = {
                {"small chunks", &small, 16 * 1024, "1\r\nx\r\n", "0\r\n\r\n", "POST /p 1.1 {"},
                {"endless extension", &extension, 2 * HTTP_HEAD_MAX, "x", "", "431"},
                {"endless trailers", &trailer, HTTP_HEAD_MAX, "A: b\r\n", "\r\n", "431"},
                {"endless zeros", &zeros, 2 * HTTP_HEAD_MAX, "0", "\r\n\r\n", "400"},
        };
        static const char *const starts[] = {"", "1;", "0\r\n", ""};

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                HttpPlay p = {.body_max = 1024 * 1024};
                _cleanup_free_ char *said = NULL;

                buf_puts(cases[i].data, "POST /p HTTP/1.1\r\n" H CHUNKED "\r\n");
                buf_puts(cases[i].data, starts[i]);
                for (size_t k = 0; k < cases[i].n; k++)
                        buf_puts(cases[i].data, cases[i].piece);
                buf_puts(cases[i].data, cases[i].end);
                http_play_feed(&p, buf_head(cases[i].data), buf_length(cases[i].data));
                said = http_play_finish(&p);
                CHECK_ROW(cases[i].name, strncmp(said, cases[i].expected, strlen(cases[i].expected)) == 0);
                if (i == 0)
                        CHECK_ROW(cases[i].name, strlen(said) == strlen("POST /p 1.1 {}") + cases[i].n);
        }
}

static void test_header_lookup(void)
{
        static const char data[] = GET("A:  first \r\na: second\r\n");
        _cleanup_(http_request_freep) HttpRequest *r = NULL;
        HttpParseError error;

        CHECK(http_request_parse(data, sizeof(data) - 1, &r, &error) == sizeof(data) - 1);
        CHECK_TEXT("first of a name", r ? http_request_header(r, "a") : NULL, "first");
        CHECK_TEXT("none of a name", r ? http_request_header(r, "b") : "", NULL);
}

int main(void)
{
        test_rows();
        test_head_limit();
        test_header_count();
        test_chunk_framing();
        test_header_lookup();
        return test_finish("http-request");
}
