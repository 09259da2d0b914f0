/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Text of others as JSON, which a terminal may show. */

#include "ctl/json-text.h"
#include "unit/test.h"

static const struct {
        const char *in, *json;
} rows[] = {
        {"", "\"\""},
        {"a\tb\"\\", "\"a\\u0009b\\\"\\\\\""},
        {"\x1b[6n\x7f", "\"\\u001b[6n\\u007f\""},
        {"\xc2\x9b"
         "6n\xc2\x80\xc2\x9f\xc2\xa0",
         "\"\\u009b6n\\u0080\\u009f\xc2\xa0\""},
        {"\xd8\x9c\xe2\x80\x8e\xe2\x80\xae\xe2\x81\xa6", "\"\\u061c\\u200e\\u202e\\u2066\""},
        {"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "\"h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\""},
        {"\x9b"
         "6n\xf0\x9f",
         "\"\\ufffd6n\\ufffd\\ufffd\""},
};

int main(void)
{
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                _cleanup_buf_ Buf json = BUF_INIT;

                json_append_string(&json, rows[i].in);
                buf_append(&json, "", 1);
                CHECK_TEXT(rows[i].in, buf_head(&json), rows[i].json);
        }
        return test_finish("json-text");
}
