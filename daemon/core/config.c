/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/config.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fd.h"
#include "base/strv.h"
#include "wire/config-file.h"

#define CONFIG_NAME   "execd.conf"
#define CONFIG_SUFFIX ".conf"

/* Bytes of a wrong value that a message quotes. */
#define QUOTED_MAX 64

/* Earlier directories take precedence. */
static const char *const directories[] = {"/etc/execd", "/run/execd", "/usr/local/lib/execd",
                                          "/usr/lib/execd"};

typedef struct ConfigLoad {
        const ConfigLoadOptions *options;
        Config *config;
        const char *file; /* that is being read */
        bool skip;        /* the lines of an unknown section */
} ConfigLoad;

typedef struct DropIn {
        char *name;
        char *path;
} DropIn;

typedef struct DropIns {
        DropIn *items;
        size_t n;
} DropIns;

static void drop_ins_done(DropIns *d)
{
        for (size_t i = 0; i < d->n; i++) {
                free(d->items[i].name);
                free(d->items[i].path);
        }
        free(d->items);
}

/* One line, whatever it quotes. */
static void tell(ConfigLoad *l, unsigned line, const char *format, ...) _printf_(3, 4);

static void tell(ConfigLoad *l, unsigned line, const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *all = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        if (n < 0)
                text = NULL;
        if (!text || !l->options->tell)
                return;
        n = line > 0 ? asprintf(&all, "%s:%u: %s", l->file, line, text)
                     : asprintf(&all, "%s: %s", l->file, text);
        if (n < 0) {
                all = NULL;
                return;
        }
        for (char *p = all; *p; p++)
                if ((unsigned char) *p < 0x20 || *p == 0x7f)
                        *p = '?';
        l->options->tell(all);
}

static void on_malformed(void *userdata, unsigned line, const char *text)
{
        ConfigLoad *l = userdata;

        l->config->n_invalid++;
        tell(l, line, "the line is ignored: %s", text);
}

/* "X-" is for other programs, as in unit files. */
static bool is_foreign(const char *name)
{
        return strncmp(name, "X-", 2) == 0;
}

static int on_section(void *userdata, unsigned line, const char *section)
{
        ConfigLoad *l = userdata;

        l->skip = !config_section_exists(section);
        if (l->skip && !is_foreign(section)) {
                l->config->n_unknown++;
                tell(l, line, "unknown section [%.*s], ignoring", QUOTED_MAX, section);
        }
        return 0;
}

static int set_origin(ConfigLoad *l, const ConfigKey *k, unsigned line, bool is_default)
{
        ConfigOrigin *o = &l->config->origins[config_key_index(k)];
        char *file = is_default ? NULL : strdup(l->file);

        if (!file && !is_default)
                return -ENOMEM;
        free(o->file);
        *o = (ConfigOrigin){.file = file, .line = line};
        return 0;
}

static int on_assignment(void *userdata, unsigned line, const char *section, const char *name,
                         const char *value)
{
        _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;
        ConfigLoad *l = userdata;
        const ConfigKey *k;
        int r;

        if (!section) {
                on_malformed(l, line, "it is not in a section");
                return 0;
        }
        if (l->skip || is_foreign(name))
                return 0;
        k = config_key_find(section, name);
        if (!k) {
                l->config->n_unknown++;
                tell(l, line, "unknown key %.*s= in section [%s], ignoring", QUOTED_MAX, name, section);
                return 0;
        }
        r = config_key_set(k, value, &l->config->values, &refusal);
        if (r >= 0)
                return set_origin(l, k, line, false);
        if (r == -ENOMEM)
                return r;
        l->config->n_invalid++;
        tell(l, line, "%s=%.*s%s is ignored: %s", name, QUOTED_MAX, value,
             strlen(value) > QUOTED_MAX ? "…" : "", refusal.message ?: "it is not allowed");
        if (!l->options->previous)
                return 0;
        r = config_key_copy(k, l->options->previous, &l->config->values);
        return r < 0 ? r : set_origin(l, k, line, true);
}

static int load_text(ConfigLoad *l, const char *text, size_t size)
{
        const ConfigHandler handler = {
                .on_assignment = on_assignment,
                .on_section = on_section,
                .on_malformed = on_malformed,
                .userdata = l,
        };

        l->skip = true; /* an empty name, which follows a malformed one, is not a section */
        return config_file_parse(text, size, &handler);
}

static void tell_unreadable(ConfigLoad *l, int error)
{
        l->config->n_invalid++;
        if (error == -EFBIG)
                tell(l, 0, "the file is ignored: it is larger than %d bytes", CONFIG_FILE_MAX);
        else
                tell(l, 0, "failed to read: %s", strerror(-error));
}

/* 0: there is no such file, which is allowed. */
static int load_file(ConfigLoad *l, const char *path, bool may_miss)
{
        _cleanup_free_ char *text = NULL;
        size_t size = 0;
        int r;

        l->file = path;
        r = file_read_at(AT_FDCWD, path, CONFIG_FILE_MAX, &text, &size);
        if (r == -ENOMEM)
                return r;
        if (may_miss && (r == -ENOENT || r == -ENOTDIR))
                return 0;
        if (r < 0) {
                tell_unreadable(l, r);
                return 1;
        }
        r = load_text(l, text, size);
        return r < 0 ? r : 1;
}

static int load_main_file(ConfigLoad *l)
{
        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *path = NULL;
                int r;

                if (asprintf(&path, "%s%s/" CONFIG_NAME, l->options->root, directories[i]) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = load_file(l, path, true);
                if (r != 0)
                        return r;
        }
        return 0;
}

static bool is_drop_in(const char *name)
{
        size_t n = strlen(name);

        return *name != '.' && n > strlen(CONFIG_SUFFIX) &&
               strcmp(name + n - strlen(CONFIG_SUFFIX), CONFIG_SUFFIX) == 0;
}

static int drop_ins_add(DropIns *d, const char *directory, const char *name)
{
        DropIn *more, in = {.name = NULL};

        for (size_t i = 0; i < d->n; i++)
                if (strcmp(d->items[i].name, name) == 0)
                        return 0;
        more = reallocarray(d->items, d->n + 1, sizeof(DropIn));
        if (!more)
                return -ENOMEM;
        d->items = more;
        in.name = strdup(name);
        if (!in.name || asprintf(&in.path, "%s/%s", directory, name) < 0) {
                free(in.name);
                return -ENOMEM;
        }
        d->items[d->n++] = in;
        return 0;
}

static int find_drop_ins(ConfigLoad *l, const char *directory, DropIns *d)
{
        DIR *dir = opendir(directory);
        const struct dirent *entry;
        int r = 0;

        if (!dir) {
                if (errno != ENOENT && errno != ENOTDIR) {
                        l->file = directory;
                        tell_unreadable(l, -errno);
                }
                return 0;
        }
        while (r >= 0 && (entry = readdir(dir)))
                if (is_drop_in(entry->d_name))
                        r = drop_ins_add(d, directory, entry->d_name);
        closedir(dir);
        return r;
}

static int compare_names(const void *a, const void *b)
{
        return strcmp(((const DropIn *) a)->name, ((const DropIn *) b)->name);
}

static int load_drop_ins(ConfigLoad *l)
{
        _cleanup_(drop_ins_done) DropIns d = {0};
        int r;

        for (size_t i = 0; i < ELEMENTSOF(directories); i++) {
                _cleanup_free_ char *path = NULL;

                if (asprintf(&path, "%s%s/" CONFIG_NAME ".d", l->options->root, directories[i]) < 0) {
                        path = NULL;
                        return -ENOMEM;
                }
                r = find_drop_ins(l, path, &d);
                if (r < 0)
                        return r;
        }
        if (d.n > 0)
                qsort(d.items, d.n, sizeof(DropIn), compare_names);
        for (size_t i = 0; i < d.n; i++) {
                r = load_file(l, d.items[i].path, false);
                if (r < 0)
                        return r;
        }
        return 0;
}

int config_load(const ConfigLoadOptions *o, Config *ret)
{
        _cleanup_(config_done) Config c = {.values = manager_config_default};
        ConfigLoad l = {.options = o, .config = &c};
        int r = 0;

        if (o->files)
                for (char *const *f = o->files; *f && r >= 0; f++)
                        r = load_file(&l, *f, false);
        else {
                r = load_main_file(&l);
                if (r >= 0)
                        r = load_drop_ins(&l);
        }
        if (r < 0)
                return r;
        *ret = c;
        c = (Config){0};
        return 0;
}

int config_override(Config *c, const char *section, const char *name, const char *text)
{
        const ConfigKey *k = config_key_find(section, name);
        ConfigOrigin *o;
        int r;

        if (!k)
                return -EINVAL;
        r = config_key_set(k, text, &c->values, NULL);
        if (r < 0)
                return r;
        o = &c->origins[config_key_index(k)];
        free(o->file);
        *o = (ConfigOrigin){.file = strdup("command line")};
        return o->file ? 0 : -ENOMEM;
}

void config_done(Config *c)
{
        manager_config_done(&c->values);
        for (size_t i = 0; i < ELEMENTSOF(c->origins); i++)
                free(c->origins[i].file);
        *c = (Config){0};
}

void config_dump(const Config *c, Buf *b)
{
        const char *section = "";
        const ConfigKey *k;

        for (size_t i = 0; (k = config_key_at(i)); i++) {
                const ConfigOrigin *o = &c->origins[i];

                if (strcmp(section, config_key_section(k)) != 0) {
                        section = config_key_section(k);
                        buf_printf(b, "%s[%s]\n", i > 0 ? "\n" : "", section);
                }
                if (o->file && o->line > 0)
                        buf_printf(b, "# %s:%u\n", o->file, o->line);
                else
                        buf_printf(b, "# %s\n", o->file ?: "default");
                config_key_print(k, &c->values, b);
        }
}
