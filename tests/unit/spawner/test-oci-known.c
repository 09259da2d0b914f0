/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/oci-known: a known container is forgotten when its state file names another process, or its engine another
 * name, and not when the files cannot be read at the moment. The test provides the files. */

#include "spawner/oci-known.h"

#include "base/strv.h"
#include "unit/spawner/container-child.h"
#include "unit/test.h"
#include "wire/oci-details.h"

#define ID "aa00000000000000000000000000000000000000000000000000000000000000"

static const OciPlace docker = {.directory = "/run/docker", .is_dockers = true},
                      runc = {.directory = "/run/runc"};

static OciReadings readings;

/* The results of the wrapped functions, and their calls. */
static int state_result, reading_result;
static OciState state;
static OciFound found;
static unsigned n_asked, n_dropped;

int __wrap_root_directory_open_at(int dir_fd, const char *name, int *ret_fd, Refusal *reterr);
int __wrap_root_directory_open_at(int dir_fd, const char *name, int *ret_fd, Refusal *reterr)
{
        NEED(same_text(name, ID));
        return 0;
}

int __wrap_oci_read_state(const OciPlace *place, int dir_fd, const char *id, struct stat *st, OciState *ret,
                          Refusal *reterr);
int __wrap_oci_read_state(const OciPlace *place, int dir_fd, const char *id, struct stat *st, OciState *ret,
                          Refusal *reterr)
{
        if (state_result == 0)
                *ret = (OciState){
                        .pid = state.pid, .start_time = state.start_time, .bundle = strdup(state.bundle)};
        return state_result;
}

int __wrap_oci_reading_get(OciReadings *all, const OciQuery *query, OciFound **ret, Refusal *reterr);
int __wrap_oci_reading_get(OciReadings *all, const OciQuery *query, OciFound **ret, Refusal *reterr)
{
        NEED(all == &readings && same_text(query->id, ID) && query->seen && query->watcher < 0);
        n_asked++;
        *ret = reading_result == 0 ? &found : NULL;
        return reading_result;
}

void __wrap_oci_reading_drop(OciReadings *all, const OciPlace *place, const char *id);
void __wrap_oci_reading_drop(OciReadings *all, const OciPlace *place, const char *id)
{
        NEED(all == &readings && same_text(id, ID));
        n_dropped++;
}

typedef struct World {
        ContainerTable table;
        Container *container;
        pid_t pid;
        OciKnown *known;
} World;

static void begin(World *w, const OciPlace *place, bool is_podmans)
{
        OciState own = {.pid = 42, .start_time = 1000, .bundle = strdup("/bundle")};
        OciFound first = {.watch = 7, .storage_watch = 8, .is_podmans = is_podmans};
        const struct stat st = {0};

        *w = (World){0};
        w->container = make_container("docker", ID, "web", &w->pid);
        w->container->leader->pid = 42;
        w->container->leader->start_time = 1000;
        NEED(container_table_add(&w->table, w->container, false) == 0);
        NEED(oci_known_new(place, ID, &own, &st, &first, w->container, &w->known) == 0);
        /* The state and the watch of the container's own files are taken. */
        CHECK(!own.bundle && first.watch == OCI_NO_WATCH && first.storage_watch == 8);
        CHECK(w->known->watch == 7 && w->container->n_ref == 3);
        n_asked = n_dropped = 0;
}

static void end(World *w)
{
        w->known = oci_known_free(w->known, &readings, -EBADF);
        CHECK(n_dropped > 0);
        container_table_clear(&w->table);
        CHECK(w->container->n_ref == 1);
        container_unref(w->container);
        end_child(w->pid);
}

static void test_engine(void)
{
        World w;

        begin(&w, &docker, false);
        CHECK(w.known->has_engine);
        end(&w);
        begin(&w, &runc, true);
        CHECK(w.known->has_engine);
        end(&w);
        begin(&w, &runc, false);
        CHECK(!w.known->has_engine);
        end(&w);
}

static void test_runs(void)
{
        static const struct {
                const char *name;
                int result;
                pid_t pid;
                uint64_t start_time;
                const char *bundle;
                bool runs;
        } rows[] = {
                {"unchanged", 1, 0, 0, "", true},
                {"written again", 0, 42, 1000, "/bundle", true},
                {"another process", 0, 43, 1000, "/bundle", false},
                {"another run", 0, 42, 1001, "/bundle", false},
                {"another bundle", 0, 42, 1000, "/other", false},
                {"gone", -EAGAIN, 0, 0, "", false},
                {"not root's", -EPERM, 0, 0, "", false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                World w;

                begin(&w, &docker, false);
                state_result = rows[i].result;
                state = (OciState){.pid = rows[i].pid,
                                   .start_time = rows[i].start_time,
                                   .bundle = (char *) rows[i].bundle};
                CHECK_ROW(rows[i].name, oci_known_runs(w.known, -EBADF) == rows[i].runs);
                /* Its first process has ended. */
                container_table_forget(&w.table, w.container);
                CHECK_ROW(rows[i].name, !oci_known_runs(w.known, -EBADF));
                end(&w);
        }
}

static void test_read(void)
{
        static const struct {
                const char *name;
                int result;
                const char *found_name;
                bool is_known, is_behind, is_read;
        } rows[] = {
                {"unchanged", 0, NULL, true, false, true},
                {"the same name", 0, "web", true, false, true},
                {"another name", 0, "new", false, false, true},
                {"not yet", -EINPROGRESS, NULL, true, false, false},
                {"slow", -EAGAIN, NULL, true, true, false},
                {"hangs", -ETIMEDOUT, NULL, true, true, false},
                {"no scout", -EBUSY, NULL, true, true, false},
                {"the scout was killed", -EIO, NULL, true, true, false},
                {"no memory", -ENOMEM, NULL, true, true, false},
                {"not valid", -EBADMSG, NULL, false, false, false},
                {"removed", -ENOENT, NULL, false, false, false},
                {"not root's", -EPERM, NULL, false, false, false},
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                World w;

                begin(&w, &docker, false);
                reading_result = rows[i].result;
                found = (OciFound){.config.name = (char *) rows[i].found_name};
                CHECK_ROW(rows[i].name, oci_known_read(w.known, &readings) == rows[i].is_known);
                CHECK_ROW(rows[i].name, n_asked == 1 && (n_dropped == 1) == rows[i].is_read);
                CHECK_ROW(rows[i].name, w.known->is_behind == rows[i].is_behind &&
                                                w.container->is_unsure == rows[i].is_behind);
                end(&w);
        }
}

static void test_details(void)
{
        char *details[] = {(char *) "Path", (char *) "\"sh\"", NULL};
        World w;

        begin(&w, &docker, false);
        w.known->is_behind = w.container->is_unsure = true;
        reading_result = 0;
        found = (OciFound){.config.details = details, .seen.config.st_ino = 7};
        CHECK(oci_known_read(w.known, &readings) && !w.known->is_behind && !w.container->is_unsure);
        CHECK_TEXT("detail", oci_details_find(w.container->details, "Path"), "\"sh\"");
        CHECK(w.known->seen.config.st_ino == 7);
        end(&w);
}

int main(void)
{
        test_engine();
        test_runs();
        test_read();
        test_details();
        return test_finish("oci-known");
}
