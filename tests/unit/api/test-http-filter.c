/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* api/http-filter: Docker's filters, in both forms, and what is refused. */

#include "api/http-filter.h"
#include "unit/test.h"

static const char *const known[] = {"name", "label", "id", NULL};

static HttpFilter *read_filter(const char *query, Refusal *reterr)
{
        HttpRequest request = {.target = query};
        HttpExchange x = {.request = &request};
        HttpFilter *f = NULL;

        (void) http_filter_from_query(&x, known, &f, reterr);
        return f;
}

static void test_refused(void)
{
        static const struct {
                const char *query, *text;
        } rows[] = {
                {"/x?filters=%7B%22nosuch%22%3A%5B%22a%22%5D%7D", "invalid filter 'nosuch'"},
                {"/x?filters=%5B%5D", "filters must be a JSON object"},
                {"/x?filters=%7B", "not JSON"},
                {"/x?filters=%7B%22name%22%3A%5B1%5D%7D", "a list or an object of strings is expected"},
                {"/x?filters=%7B%22name%22%3A1%7D", "a list or an object of strings is expected"},
                {"/x?filters=%7B%22name%22%3A%5B%22a%5Cu0000b%22%5D%7D", "has a NUL"},
                {"/x?filters=%zz", "invalid URL escape"},
                {"/x?filters=%7B%7D&filters=%7B%7D", "the parameter \"filters\" is given twice"},
                {"/x?filter=a", "unknown parameter \"filter\". Did you mean \"filters\"?"},
                {"/x?filters%5B%5D=a", "unknown parameter \"filters[]\""},
                {"/x?filters[label][]=a", "unknown parameter \"filters[label][]\""},
                {"/x?all=1&label=a", "\"label\" is not a parameter, but a key of filters"},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                _cleanup_(http_filter_freep) HttpFilter *f = read_filter(rows[i].query, &refusal);

                CHECK_ROW(rows[i].query, !f && refusal.kind == REFUSAL_BAD_REQUEST);
                CHECK_ROW(rows[i].query, refusal.message && strstr(refusal.message, rows[i].text));
        }
}

static void test_matching(void)
{
        _cleanup_(http_filter_freep) HttpFilter *f = read_filter(
                "/x?filters=%7B%22name%22%3A%7B%22^we%22%3Atrue%7D%2C%22label%22%3A%5B%22a%22%2C%22b%3D1%22%5D%7D",
                NULL);
        _cleanup_(http_filter_freep) HttpFilter *none = read_filter("/x", NULL);
        char *const both[] = {(char *) "a=", (char *) "b=1", NULL},
                    *const one[] = {(char *) "a=x", (char *) "b=2", NULL},
                    *const longer[] = {(char *) "ab=1", (char *) "b=1", NULL};

        CHECK(f && none && http_filter_read_names(f, "name", NULL) >= 0);
        CHECK(http_filter_match_name(f, "name", "web") && http_filter_match_name(none, "name", "web"));
        CHECK(!http_filter_match_name(f, "name", "aweb"));
        CHECK(http_filter_match_labels(f, both) && !http_filter_match_labels(f, one));
        CHECK(!http_filter_match_labels(f, longer) && !http_filter_match_labels(f, NULL));
        CHECK(http_filter_match(none, "id", "x") && http_filter_match(f, "id", "x"));
        CHECK(!http_filter_match(f, "label", "c") && http_filter_values(f, "label") &&
              !http_filter_values(f, "id"));
}

/* Labels are compared with those of each exec: the same one is not compared a thousand times. */
static void test_repeated(void)
{
        _cleanup_(http_filter_freep) HttpFilter *f = read_filter(
                "/x?filters=%7B%22label%22%3A%5B%22a%22%2C%22b%22%2C%22a%22%2C%22b%22%5D%7D", NULL);
        char **values = f ? http_filter_values(f, "label") : NULL;

        CHECK(values && strv_length(values) == 2);
        CHECK_TEXT("first", values[0], "a");
        CHECK_TEXT("second", values[1], "b");
}

static void test_containers(void)
{
        _cleanup_(http_filter_freep) HttpFilter *f =
                read_filter("/x?filters=%7B%22id%22%3A%5B%22abc%22%2C%22%22%5D%7D", NULL);

        CHECK(f && http_filter_match_container(f, "id", "abcdef", "web"));
        CHECK(http_filter_match_container(f, "id", "012", "abc"));
        CHECK(!http_filter_match_container(f, "id", "012", "web"));
}

/* An expression must not cost more than it is worth. */
static void test_names(void)
{
        static const struct {
                const char *query;
                bool is_right;
        } rows[] = {
                {"/x?filters=%7B%22name%22%3A%5B%22a.*b%22%5D%7D", true},
                {"/x?filters=%7B%22name%22%3A%5B%22a%7B1,9%7D%22%5D%7D", false},
                {"/x?filters=%7B%22name%22%3A%5B%22(a)%5C%5C1%22%5D%7D", false},
                {"/x?filters=%7B%22name%22%3A%5B%22(%22%5D%7D", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
                _cleanup_(http_filter_freep) HttpFilter *f = read_filter(rows[i].query, NULL);

                CHECK_ROW(rows[i].query,
                          f && (http_filter_read_names(f, "name", &refusal) >= 0) == rows[i].is_right);
        }
}

/* Each expression may be long, but not all of them together. */
static void test_many_names(void)
{
        char query[8192] = "/x?filters=%7B%22name%22%3A%5B%22x%22", one[301] = ",%22";
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        _cleanup_(http_filter_freep) HttpFilter *few = NULL, *many = NULL;

        memset(one + strlen(one), 'a', 256);
        strcat(one, "%22");
        for (unsigned i = 0; i < 17; i++) {
                one[strlen(one) - 4] = (char) ('a' + i);
                strcat(query, one);
                if (i != 14 && i != 16)
                        continue;
                strcat(query, "%5D%7D");
                if (i == 14)
                        few = read_filter(query, NULL);
                else
                        many = read_filter(query, NULL);
                query[strlen(query) - strlen("%5D%7D")] = 0;
        }
        CHECK(few && http_filter_read_names(few, "name", NULL) >= 0 &&
              !http_filter_match_name(few, "name", "web"));
        CHECK(many && http_filter_read_names(many, "name", &refusal) < 0);
        CHECK_TEXT("many", refusal.message,
                   "invalid filter 'name': the regular expressions have more than 4096 bytes");
}

int main(void)
{
        test_refused();
        test_matching();
        test_repeated();
        test_containers();
        test_names();
        test_many_names();
        return test_finish("http-filter");
}
