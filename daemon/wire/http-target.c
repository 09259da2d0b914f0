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
                /* A NUL would cut the string off. */
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

/* The first three characters of a bad escape, within the parameter that ends there. */
static int bad_escape(const char *bad, const char *end, char **ret_bad)
{
        if (!bad)
                return -ENOMEM;
        if (ret_bad)
                *ret_bad = strndup(bad, MIN((size_t) 3, (size_t) (end - bad)));
        return -EBADMSG;
}

const char *http_target_parameters(const char *target)
{
        const char *mark = strchr(target, '?');

        return mark ? mark + 1 : "";
}

int http_target_next(const char **p, char **ret_name, char **ret_value, char **ret_bad)
{
        const char *text = *p, *bad;
        size_t length = strcspn(text, "&"), name_length = MIN(strcspn(text, "="), length);
        _cleanup_free_ char *name = NULL, *value = NULL;

        if (!*text)
                return 0;
        name = percent_decode(text, name_length, true, &bad);
        if (!name)
                return bad_escape(bad, text + name_length, ret_bad);
        if (name_length < length)
                value = percent_decode(text + name_length + 1, length - name_length - 1, true, &bad);
        else {
                bad = NULL;
                value = strdup("");
        }
        if (!value)
                return bad_escape(bad, text + length, ret_bad);
        *ret_name = TAKE_PTR(name);
        *ret_value = TAKE_PTR(value);
        *p = text + length + (text[length] == '&');
        return 1;
}

int http_target_query(const char *target, const char *name, char **ret, char **ret_bad)
{
        const char *p = http_target_parameters(target);
        _cleanup_free_ char *found = NULL;
        int r;

        for (;;) {
                _cleanup_free_ char *key = NULL, *value = NULL;

                r = http_target_next(&p, &key, &value, ret_bad);
                if (r < 0)
                        return r;
                if (r == 0)
                        break;
                if (!found && strcmp(key, name) == 0)
                        found = TAKE_PTR(value);
        }
        if (!found)
                return -ENOENT;
        *ret = TAKE_PTR(found);
        return 0;
}
