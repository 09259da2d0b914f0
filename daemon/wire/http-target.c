/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/http-target.h"

#include "wire/http-syntax.h"

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
                high = i + 1 < size ? http_hex_digit(text[i + 1]) : -1;
                low = i + 2 < size ? http_hex_digit(text[i + 2]) : -1;
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
