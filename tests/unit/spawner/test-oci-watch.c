/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/oci-watch: a directory is watched before it exists, and again after it was removed. */

#include "spawner/oci-watch.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "unit/need.h"
#include "unit/test.h"

typedef struct World {
        OciWatch watch;
        sd_event *event;
        char directory[64];
        unsigned n_changes;
        int error;
} World;

static char top[] = "/tmp/execd-oci-watch-XXXXXX";

/* A directory that is made right before this path is watched. */
static const char *made_before;
static char made[128];

int __real_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                                sd_event_inotify_handler_t callback, void *userdata);
int __wrap_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                                sd_event_inotify_handler_t callback, void *userdata);
int __wrap_sd_event_add_inotify(sd_event *event, sd_event_source **ret, const char *path, uint32_t mask,
                                sd_event_inotify_handler_t callback, void *userdata)
{
        if (made_before && strcmp(path, made_before) == 0) {
                made_before = NULL;
                NEED(mkdir(made, 0700) == 0);
        }
        return __real_sd_event_add_inotify(event, ret, path, mask, callback, userdata);
}

static const char *at(const char *name)
{
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", top, name);
        return path;
}

static void on_change(OciWatch *watch, int error)
{
        World *w = watch->userdata;

        w->n_changes++;
        w->error = error;
}

static void begin(World *w)
{
        *w = (World){0};
        snprintf(w->directory, sizeof(w->directory), "%s", at("a/b/c"));
        NEED(sd_event_new(&w->event) >= 0);
        w->watch = (OciWatch){
                .event = w->event, .directory = w->directory, .on_change = on_change, .userdata = w};
        NEED(oci_watch_begin(&w->watch) == 0);
}

static void end(World *w)
{
        sd_event_source_disable_unref(w->watch.source);
        sd_event_unref(w->event);
}

/* Handles all events so far. */
static void catch_up(World *w)
{
        int r;

        do {
                r = sd_event_run(w->event, 0);
                NEED(r >= 0);
        } while (r > 0);
        CHECK(w->error == 0);
}

static void touch(const char *name)
{
        int fd = open(at(name), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        NEED(fd >= 0 && close(fd) == 0);
}

static void test_made_step_by_step(void)
{
        static const char *const steps[] = {"a", "a/b"};
        World w;

        begin(&w);
        CHECK(!w.watch.is_there);
        for (size_t i = 0; i < ELEMENTSOF(steps); i++) {
                NEED(mkdir(at(steps[i]), 0700) == 0);
                touch("other");
                catch_up(&w);
                CHECK(!w.watch.is_there && w.n_changes == 0);
        }
        NEED(mkdir(at("a/b/c"), 0700) == 0);
        catch_up(&w);
        CHECK(w.watch.is_there && w.n_changes == 1);
        NEED(mkdir(at("a/b/c/ID"), 0700) == 0);
        catch_up(&w);
        CHECK(w.n_changes == 2);
        /* Its neighbors do not matter. */
        touch("a/b/other");
        catch_up(&w);
        CHECK(w.n_changes == 2);
        NEED(rmdir(at("a/b/c/ID")) == 0);
        catch_up(&w);
        CHECK(w.n_changes == 3);
        end(&w);
}

static void test_removed(void)
{
        World w;

        begin(&w);
        CHECK(w.watch.is_there && w.n_changes == 0);
        NEED(rmdir(at("a/b/c")) == 0);
        catch_up(&w);
        CHECK(!w.watch.is_there && w.n_changes > 0);
        w.n_changes = 0;
        NEED(unlink(at("a/b/other")) == 0 && rmdir(at("a/b")) == 0 && rmdir(at("a")) == 0);
        catch_up(&w);
        CHECK(!w.watch.is_there && w.n_changes == 0);

        /* All directories are made before the next event. */
        NEED(mkdir(at("a"), 0700) == 0 && mkdir(at("a/b"), 0700) == 0 && mkdir(at("a/b/c"), 0700) == 0);
        catch_up(&w);
        CHECK(w.watch.is_there && w.n_changes == 1);
        touch("a/b/c/file");
        catch_up(&w);
        CHECK(w.n_changes == 2);
        end(&w);
}

/* No event reports a directory that is made after it was not found, and before the one above it is watched. */
static void test_made_meanwhile(void)
{
        char above[128];
        World w;

        NEED(unlink(at("a/b/c/file")) == 0 && rmdir(at("a/b/c")) == 0);
        snprintf(above, sizeof(above), "%s", at("a/b"));
        snprintf(made, sizeof(made), "%s", at("a/b/c"));
        made_before = above;
        begin(&w);
        CHECK(!made_before && w.watch.is_there);
        end(&w);
}

int main(void)
{
        char command[64];

        NEED(mkdtemp(top));
        test_made_step_by_step();
        test_removed();
        test_made_meanwhile();
        snprintf(command, sizeof(command), "rm -rf %s", top);
        NEED(system(command) == 0);
        return test_finish("oci-watch");
}
