/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/state-file: ended execs are saved and read again; the file may be damaged, and the directory may belong
 * to another user. */

#include <fcntl.h>
#include <sys/stat.h>

#include "core/exec-internal.h"
#include "core/exec-serialize.h"
#include "core/state-file.h"
#include "unit/core/world.h"

static Exec *linked(World *w, const char *word)
{
        Exec *e = NULL;

        NEED(exec_new(&w->manager.exec_env, w->container, w->root, world_request(word, NULL), NULL, &e) >=
             0);
        manager_count_exec(&w->manager, e);
        manager_link_exec(&w->manager, e);
        exec_unref(e);
        return e;
}

static Exec *ended(World *w, const char *word)
{
        Exec *e = linked(w, word);

        e->state = EXEC_DRAINING;
        exec_set_state(e, EXEC_EXITED);
        return e;
}

static const char *path_of(const World *w, const char *name)
{
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", w->dir, name);
        return path;
}

static char *read_text(const World *w, const char *name)
{
        char *text = NULL;

        (void) file_read_at(AT_FDCWD, path_of(w, name), 1024 * 1024, &text, NULL);
        return text;
}

static void write_text(const World *w, const char *name, const char *text)
{
        FILE *f = fopen(path_of(w, name), "w");

        NEED(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* The next execd, which finds no execs in slots. */
static World *next_world(const World *before)
{
        World *w = world_new();
        FdStore none = {0};

        w->manager.config.state_path = before->dir;
        NEED(state_file_load(&w->manager, &none) >= 0);
        return w;
}

static unsigned n_told;

static void on_exec_changed(void *userdata, Exec *e, ManagerEvent event)
{
        n_told++;
}

/* Nothing is read before a request, and reading emits no events. */
static void test_when_asked(void)
{
        World *old = world_new(), *w;
        const Exec *first = ended(old, "first"), *second = ended(old, "second");
        const Exec *hidden = ended(old, "hidden"), *live = linked(old, "live");
        Exec *newest;
        char text[256] = "";

        ((Exec *) hidden)->hidden = true;
        NEED(state_file_save(&old->manager) >= 0);
        w = next_world(old);
        w->manager.on_exec_changed = on_exec_changed;
        newest = linked(w, "newest");
        CHECK(n_told == 1 && w->manager.n_ended == 0);
        NEED(manager_find_exec(&w->manager, first->id));
        CHECK(n_told == 1 && w->manager.n_ended == 2);
        CHECK(!manager_find_exec(&w->manager, hidden->id) && !manager_find_exec(&w->manager, live->id));
        LIST_FOREACH (const Exec, e, manager_all_execs(&w->manager), node)
                sprintf(text + strlen(text), "%s ", e->request->argv[0]);
        CHECK_TEXT("by creation", text, "first second newest ");
        CHECK(manager_find_exec(&w->manager, second->id) && w->manager.n_live == 1 && newest->linked);
        world_free(w);
        world_free(old);
}

/* No client asked this execd for them: they are kept for the next one. */
static void test_passed_on(void)
{
        World *old = world_new(), *between, *w;
        const Exec *e = ended(old, "old");

        NEED(state_file_save(&old->manager) >= 0);
        between = next_world(old);
        ended(between, "between");
        NEED(state_file_save(&between->manager) >= 0);
        w = next_world(old);
        CHECK(manager_find_exec(&w->manager, e->id) && w->manager.n_ended == 2);
        world_free(w);
        world_free(between);
        world_free(old);
}

static void test_damaged(void)
{
        World *old = world_new(), *w;
        const Exec *e = ended(old, "good"), *expired = ended(old, "expired");
        _cleanup_free_ char *good = NULL, *bad = NULL, *cut = NULL, *text = NULL;

        ((Exec *) expired)->ended_monotonic = 1;
        NEED(exec_serialize(e, &good) >= 0 && exec_serialize(expired, &bad) >= 0 && (cut = strdup(good)));
        cut[strlen(cut) - 20] = 0;
        NEED(asprintf(&text, "%s\n\n{}\nno JSON\n%s\n\x80\xff\n%s\n%s\n%s", bad, cut, good, good, cut) > 0);
        write_text(old, "execs.json", text);
        w = next_world(old);
        CHECK(manager_find_exec(&w->manager, e->id) != NULL);
        CHECK(w->manager.n_ended == 1 && !manager_find_exec(&w->manager, expired->id));
        world_free(w);
        world_free(old);
}

static void test_no_file(void)
{
        World *old = world_new(), *w = next_world(old);

        CHECK(list_is_empty(manager_all_execs(&w->manager)));
        w->manager.config.state_path = "/nonexistent";
        CHECK(state_file_save(&w->manager) == -ENOENT);
        world_free(w);
        world_free(old);
}

/* It replaces the file as a whole or not at all, and follows no link. */
static void test_links(void)
{
        World *w = world_new();
        _cleanup_free_ char *victim = NULL, *before = NULL, *after = NULL;
        char target[128];

        ended(w, "one");
        NEED(state_file_save(&w->manager) >= 0);
        before = read_text(w, "execs.json");
        NEED(before && strstr(before, "one"));
        ended(w, "two");
        write_text(w, "victim", "precious");
        snprintf(target, sizeof(target), "%s/victim", w->dir);
        NEED(symlink(target, path_of(w, "execs.json.new")) == 0);
        CHECK(state_file_save(&w->manager) == -ELOOP);
        victim = read_text(w, "victim");
        CHECK_TEXT("the target", victim, "precious");
        after = read_text(w, "execs.json");
        CHECK_TEXT("the file", after, before);
        world_free(w);
}

static void test_mode(void)
{
        World *w = world_new();
        struct stat st;
        mode_t mask = umask(0);

        ended(w, "one");
        NEED(state_file_save(&w->manager) >= 0 && stat(path_of(w, "execs.json"), &st) == 0);
        CHECK((st.st_mode & 07777) == 0600);
        umask(mask);
        world_free(w);
}

int main(void)
{
        test_when_asked();
        test_passed_on();
        test_damaged();
        test_no_file();
        test_links();
        test_mode();
        return test_finish("state-file");
}
