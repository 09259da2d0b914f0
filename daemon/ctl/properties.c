/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "ctl/properties.h"
#include "base/refusal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/json-text.h"

static void property_done(Property *k)
{
        k->name = mfree(k->name);
        k->text = mfree(k->text);
        k->json = mfree(k->json);
        k->words = strv_free(k->words);
}

void properties_done(Properties *p)
{
        for (size_t i = 0; i < p->n; i++)
                property_done(&p->items[i]);
        p->items = mfree(p->items);
        p->n = 0;
}

static int set_text(Property *k, const char *text)
{
        _cleanup_buf_ Buf json = BUF_INIT;

        json_append_string(&json, text);
        k->text = strdup(text);
        k->json = json_take(&json);
        return k->text && k->json ? 0 : -ENOMEM;
}

static int set_digits(Property *k, int n)
{
        if (n < 0)
                return -ENOMEM;
        k->json = strdup(k->text);
        return k->json ? 0 : -ENOMEM;
}

/* With blanks between them, as systemctl shows them. */
static int set_words(Property *k, bool pairs)
{
        _cleanup_buf_ Buf text = BUF_INIT, json = BUF_INIT;

        for (size_t i = 0; k->words && k->words[i]; i++) {
                buf_puts(&text, i > 0 ? " " : "");
                buf_puts(&text, k->words[i]);
        }
        if (pairs)
                json_append_pairs(&json, k->words);
        else
                json_append_strings(&json, k->words);
        k->text = json_take(&text);
        k->json = json_take(&json);
        return k->text && k->json ? 0 : -ENOMEM;
}

static int read_pairs(sd_bus_message *m, Property *k)
{
        const char *name, *value;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        while (r >= 0 && (r = sd_bus_message_read(m, "{ss}", &name, &value)) > 0) {
                char *pair;

                if (asprintf(&pair, "%s=%s", name, value) < 0)
                        return -ENOMEM;
                r = strv_consume(&k->words, pair);
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : set_words(k, true);
}

/* The clients that are attached to an exec. */
static int read_clients(sd_bus_message *m, Property *k)
{
        _cleanup_buf_ Buf text = BUF_INIT, json = BUF_INIT;
        uint32_t uid, pid;
        int has_input, r;

        r = sd_bus_message_enter_container(m, 'a', "(uub)");
        while (r >= 0 && (r = sd_bus_message_read(m, "(uub)", &uid, &pid, &has_input)) > 0) {
                const char *between = buf_length(&text) > 0 ? " " : "";

                buf_printf(&text, "%suid=%u,pid=%u,input=%s", between, uid, pid, has_input ? "yes" : "no");
                buf_printf(&json, "%s{\"uid\":%u,\"pid\":%u,\"input\":%s}", *between ? "," : "", uid, pid,
                           has_input ? "true" : "false");
        }
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        k->text = json_take(&text);
        buf_append(&json, "", 1);
        if (buf_error(&json) < 0 || asprintf(&k->json, "[%s]", buf_head(&json)) < 0)
                k->json = NULL;
        return k->text && k->json ? 0 : -ENOMEM;
}

static int read_array(sd_bus_message *m, const char *type, Property *k)
{
        int r;

        if (strcmp(type, "(uub)") == 0)
                return read_clients(m, k);
        if (strcmp(type, "{ss}") == 0)
                return read_pairs(m, k);
        if (strcmp(type, "s") != 0 && strcmp(type, "o") != 0)
                return sd_bus_message_skip(m, NULL);
        r = sd_bus_message_read_strv(m, &k->words);
        return r < 0 ? r : set_words(k, false);
}

static int read_basic(sd_bus_message *m, char type, Property *k)
{
        union {
                const char *s;
                int b;
                int32_t i;
                uint32_t u;
                uint64_t t;
                int64_t x;
                uint16_t q;
        } v = {0};
        int r = sd_bus_message_read_basic(m, type, &v);

        if (r < 0)
                return r;
        switch (type) {
        case 's':
        case 'o':
                return set_text(k, v.s);
        case 'b':
                k->text = strdup(v.b ? "yes" : "no");
                k->json = strdup(v.b ? "true" : "false");
                return k->text && k->json ? 0 : -ENOMEM;
        case 'i':
                return set_digits(k, asprintf(&k->text, "%" PRIi32, v.i));
        case 'u':
                return set_digits(k, asprintf(&k->text, "%" PRIu32, v.u));
        case 't':
                return set_digits(k, asprintf(&k->text, "%" PRIu64, v.t));
        case 'x':
                return set_digits(k, asprintf(&k->text, "%" PRIi64, v.x));
        case 'q':
                return set_digits(k, asprintf(&k->text, "%u", v.q));
        }
        return 0;
}

static int read_variant(sd_bus_message *m, Property *k)
{
        const char *contents, *inner;
        char type;
        int r;

        r = sd_bus_message_peek_type(m, &type, &contents);
        if (r >= 0)
                r = sd_bus_message_enter_container(m, 'v', contents);
        if (r >= 0)
                r = sd_bus_message_peek_type(m, &type, &inner);
        if (r < 0)
                return r;
        if (type == 'a')
                r = read_array(m, inner, k);
        else if (strchr("sobiutxq", type))
                r = read_basic(m, type, k);
        else
                r = sd_bus_message_skip(m, NULL);
        if (r >= 0 && !k->json) {
                k->text = strdup("[unprintable]");
                k->json = strdup("null");
                r = k->text && k->json ? 0 : -ENOMEM;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int add(Properties *p, Property *k)
{
        Property *items = reallocarray(p->items, p->n + 1, sizeof(Property));

        if (!items)
                return -ENOMEM;
        p->items = items;
        p->items[p->n++] = *k;
        *k = (Property){0};
        return 0;
}

static int read_entry(Properties *p, sd_bus_message *m)
{
        _cleanup_(property_done) Property k = {0};
        const char *name;
        int r;

        r = sd_bus_message_read(m, "s", &name);
        if (r < 0)
                return r;
        k.name = strdup(name);
        r = k.name ? read_variant(m, &k) : -ENOMEM;
        return r < 0 ? r : add(p, &k);
}

int properties_read(Properties *p, sd_bus_message *m)
{
        int r = sd_bus_message_enter_container(m, 'a', "{sv}");

        while (r >= 0 && (r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                r = read_entry(p, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

static int new_get_all(Ctl *c, const char *path, const char *interface, sd_bus_message **ret)
{
        int r = bus_new_call(c, path, "org.freedesktop.DBus.Properties", "GetAll", ret);

        if (r != 0)
                return r;
        return sd_bus_message_append(*ret, "s", interface) < 0 ? fail_memory() : 0;
}

int properties_get_all(Ctl *c, const char *path, const char *interface, Properties *ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = new_get_all(c, path, interface, &m);
        if (r == 0)
                r = bus_call(c, m, &reply);
        if (r != 0)
                return r;
        r = properties_read(ret, reply);
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

int properties_get_of_exec(Ctl *c, const char *path, Properties *ret)
{
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = new_get_all(c, path, EXEC_INTERFACE, &m);
        if (r != 0)
                return r;
        if (sd_bus_message_set_allow_interactive_authorization(m, false) < 0)
                return fail_memory();
        r = sd_bus_call(c->bus, m, 0, &error, &reply);
        if (r < 0 && (sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
                      sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_INTERFACE) ||
                      sd_bus_error_has_name(&error, SD_BUS_ERROR_UNKNOWN_METHOD) ||
                      sd_bus_error_has_name(&error, REFUSAL_ERROR_PREFIX "NoSuchExec")))
                return -ENOENT;
        if (r < 0 && sd_bus_error_has_name(&error, REFUSAL_ERROR_PREFIX "AccessDenied"))
                return -EACCES;
        if (r < 0)
                return bus_fail(&error, r);
        r = properties_read(ret, reply);
        return r < 0 ? fail_errno(r, "Invalid reply from execd") : 0;
}

static int append_filters(sd_bus_message *m, const char *state, char *const *labels)
{
        int r = sd_bus_message_open_container(m, 'a', "{sv}");

        if (r >= 0 && state)
                r = sd_bus_message_append(m, "{sv}", "State", "s", state);
        if (r >= 0 && labels)
                r = bus_append_strings(m, "Labels", labels);
        return r < 0 ? r : sd_bus_message_close_container(m);
}

int properties_list_execs(Ctl *c, const char *state, char *const *labels, sd_bus_message **ret)
{
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, BUS_NAME, MANAGER_PATH, MANAGER_INTERFACE,
                                           "ListExecsFiltered");
        if (r >= 0)
                r = append_filters(m, state, labels);
        if (r >= 0)
                r = sd_bus_call(c->bus, m, 0, NULL, &reply);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(soa{sv})");
        if (r < 0)
                return r;
        *ret = TAKE_PTR(reply);
        return 0;
}

int properties_next_exec(sd_bus_message *m, const char **ret_id, Properties *ret)
{
        int r = sd_bus_message_enter_container(m, 'r', "soa{sv}");

        if (r <= 0)
                return r;
        r = sd_bus_message_read(m, "so", ret_id, NULL);
        if (r >= 0)
                r = properties_read(ret, m);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        return r < 0 ? r : 1;
}

const Property *properties_find(const Properties *p, const char *name)
{
        return ARRAY_FIND(p->items, p->n, k, strcmp(k->name, name) == 0);
}

const char *properties_text(const Properties *p, const char *name)
{
        const Property *k = properties_find(p, name);

        return k ? k->text : NULL;
}

uint64_t properties_number(const Properties *p, const char *name)
{
        const char *text = properties_text(p, name);

        return text ? strtoull(text, NULL, 10) : 0;
}

static bool has_word(const Property *k, const char *word)
{
        size_t n = strcspn(word, "=");

        for (size_t i = 0; k && k->words && k->words[i]; i++)
                if (word[n] ? strcmp(k->words[i], word) == 0
                            : strncmp(k->words[i], word, n) == 0 && k->words[i][n] == '=')
                        return true;
        return false;
}

bool properties_have_words(const Properties *p, const char *name, char **words)
{
        const Property *k = properties_find(p, name);

        STRV_FOREACH (word, words)
                if (!has_word(k, *word))
                        return false;
        return true;
}
