/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "wire/detach-keys.h"

#include <string.h>

#define CTRL_PREFIX     "ctrl-"
#define CTRL_PREFIX_LEN 5
#define CTRL(c)         ((uint8_t) ((c) &0x1f))
#define KEY_DEL         0x7f
#define DETACH_OFF      "none"

const DetachKeys detach_keys_default = {
        .keys = {CTRL('p'), CTRL('q')},
        .n_keys = 2,
};

/* Takes one item from the front of the list. Returns its length, or 0 when it names no key. */
static size_t item_parse(const char *text, uint8_t *ret)
{
        size_t length = strcspn(text, ",");

        /* "ctrl-" alone is not a key, so a comma right after it can only be the key itself. */
        if (length == CTRL_PREFIX_LEN && text[length] == ',' && memcmp(text, CTRL_PREFIX, length) == 0)
                length++;

        if (length == 1) {
                *ret = (uint8_t) text[0];
                return length;
        }
        if (length == 3 && memcmp(text, "DEL", length) == 0) {
                *ret = KEY_DEL;
                return length;
        }
        if (length == CTRL_PREFIX_LEN + 1 && memcmp(text, CTRL_PREFIX, CTRL_PREFIX_LEN) == 0 &&
            ((text[CTRL_PREFIX_LEN] >= 'a' && text[CTRL_PREFIX_LEN] <= 'z') ||
             strchr("@[\\]^_,", text[CTRL_PREFIX_LEN]))) {
                *ret = CTRL((uint8_t) text[CTRL_PREFIX_LEN]);
                return length;
        }
        return 0;
}

int detach_keys_parse(const char *text, DetachKeys *ret, Refusal *reterr)
{
        DetachKeys keys = {0};
        const char *p = text;

        if (strcmp(text, DETACH_OFF) == 0) {
                *ret = (DetachKeys){.off = true};
                return 0;
        }
        while (*text) {
                size_t n;

                if (keys.n_keys == DETACH_KEYS_MAX)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "Invalid escape keys (%s) provided: DetachKeys has more than %d keys",
                                      text, DETACH_KEYS_MAX);

                n = item_parse(p, &keys.keys[keys.n_keys]);
                if (n == 0)
                        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                                      "Invalid escape keys (%s) provided: DetachKeys is a comma-separated "
                                      "list of single characters, ctrl-<value> with value one of "
                                      "a-z @ [ \\ ] ^ _ and the comma, or DEL",
                                      text);
                keys.n_keys++;
                p += n;
                if (!*p)
                        break;
                p++; /* the comma: another item has to follow */
        }

        *ret = keys;
        return 0;
}

char *detach_keys_format(char buf[static DETACH_KEYS_TEXT_SIZE], const DetachKeys *keys)
{
        char *p = buf;

        if (keys->off)
                return strcpy(buf, DETACH_OFF);
        if (keys->n_keys == 0)
                keys = &detach_keys_default;
        for (size_t i = 0; i < keys->n_keys; i++) {
                uint8_t key = keys->keys[i];

                if (i > 0)
                        *p++ = ',';
                if (key == KEY_DEL)
                        p = stpcpy(p, "DEL");
                else if (key < 0x20) {
                        p = stpcpy(p, CTRL_PREFIX);
                        /* Letters in lower case. */
                        *p++ = (char) (key >= 1 && key <= 26 ? key | 0x60 : key | 0x40);
                } else
                        *p++ = (char) key;
        }
        *p = 0;
        return buf;
}

void detach_scanner_feed(DetachScanner *s, const uint8_t *in, size_t size, uint8_t *out, size_t *ret_out,
                         bool *ret_detached)
{
        const DetachKeys *keys = s->keys && s->keys->n_keys > 0 ? s->keys : &detach_keys_default;
        size_t n_out = 0;
        bool detached = false;

        if (s->keys && s->keys->off) {
                memcpy(out, in, size);
                *ret_out = size;
                *ret_detached = false;
                return;
        }
        for (size_t i = 0; i < size; i++) {
                if (in[i] == keys->keys[s->matched]) {
                        if (++s->matched < keys->n_keys)
                                continue;
                        s->matched = 0;
                        detached = true;
                        break;
                }

                /* The withheld bytes are the start of the sequence itself, so nothing had to be stored. */
                memcpy(out + n_out, keys->keys, s->matched);
                n_out += s->matched;
                s->matched = 0;
                out[n_out++] = in[i];
        }

        *ret_out = n_out;
        *ret_detached = detached;
}
