/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files that only root can have written, and files that another user may have written. Needs root. */

#include "spawner/root-file.h"

#include <fcntl.h>

#include "base/fd.h"
#include "unit/need.h"

#define USER 12345

static char top[] = "/tmp/execd-root-file-XXXXXX";

static const char *at(const char *name)
{
        static char paths[4][256];
        static unsigned next;
        char *path = paths[next++ % 4];

        snprintf(path, sizeof(paths[0]), "%s/%s", top, name);
        return path;
}

static void write_file(const char *name, mode_t mode, uid_t owner)
{
        int fd = open(at(name), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        NEED(fd >= 0 && write(fd, "text", 4) == 4);
        NEED(fchown(fd, owner, 0) == 0 && fchmod(fd, mode) == 0);
        close(fd);
}

static void make_directory(const char *name, mode_t mode, uid_t owner)
{
        NEED(mkdir(at(name), 0700) == 0);
        NEED(chown(at(name), owner, 0) == 0 && chmod(at(name), mode) == 0);
}

static void make_link(const char *target, const char *name, uid_t owner)
{
        NEED(symlink(target, at(name)) == 0 && lchown(at(name), owner, 0) == 0);
}

static int try_directory(const char *path, Refusal *reterr)
{
        _cleanup_close_ int fd = -EBADF;
        int r = root_directory_open(path, &fd, reterr);

        NEED((r >= 0) == (fd >= 0));
        return r;
}

static void test_directories(void)
{
        static const struct {
                const char *name;
                int r;
        } rows[] = {
                {"", 0},
                {"open", 0},
                {"open/", 0},
                {"open//below", 0},
                {"none", -ENOENT},
                {"open/none", -ENOENT},
                {"file", -ENOTDIR},
                {"users", -EPERM},
                {"users/roots", -EPERM},
                {"group", -EPERM},
                {"group/roots", -EPERM},
                {"all", -EPERM},
                {"sticky", -EPERM},  /* anybody may put a file there, */
                {"sticky/roots", 0}, /* but not take away one of root's */
                {"link", 0},
                {"link/below", 0},
                {"absolute/below", 0},
                {"up/below", 0},
                {"users-link", -EPERM},
                {"to-users/roots", -EPERM},
                {"loop", -ELOOP},
                {"dangling", -ENOENT},
        };

        make_directory("open", 0755, 0);
        make_directory("open/below", 0700, 0);
        make_directory("users", 0755, USER);
        make_directory("users/roots", 0755, 0);
        make_directory("group", 0775, 0);
        make_directory("group/roots", 0755, 0);
        make_directory("all", 0777, 0);
        make_directory("sticky", 01777, 0);
        make_directory("sticky/roots", 0755, 0);
        write_file("file", 0600, 0);
        make_link("open", "link", 0);
        make_link(at("open"), "absolute", 0);
        make_link("open/below/..", "up", 0);
        make_link("open", "users-link", USER);
        make_link("users", "to-users", 0);
        make_link("loop", "loop", 0);
        make_link("nowhere", "dangling", 0);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                _cleanup_refusal_ Refusal refusal = REFUSAL_INIT;

                NEED_ROW(rows[i].name, try_directory(at(rows[i].name), &refusal) == rows[i].r);
                NEED_ROW(rows[i].name, (refusal.kind == REFUSAL_DENIED) == (rows[i].r == -EPERM));
        }
        NEED(try_directory("open", NULL) == -EINVAL && try_directory("/", NULL) == 0);
}

static void test_files(void)
{
        static const struct {
                const char *name;
                int r;
        } rows[] = {
                {"good", 0},       {"readable", 0},   {"none", -ENOENT},
                {"users", -EPERM}, {"group", -EPERM}, {"all", -EPERM},
                {"link", -ELOOP},  {"fifo", -EPERM},  {"directory", -EPERM},
        };
        _cleanup_close_ int fd = -EBADF;
        _cleanup_free_ char *large = NULL;

        make_directory("files", 0700, 0);
        write_file("files/good", 0600, 0);
        write_file("files/readable", 0644, 0);
        write_file("files/users", 0600, USER);
        write_file("files/group", 0660, 0);
        write_file("files/all", 0602, 0);
        make_link("good", "files/link", 0);
        NEED(mkfifo(at("files/fifo"), 0600) == 0);
        make_directory("files/directory", 0700, 0);
        NEED(root_directory_open(at("files"), &fd, NULL) == 0);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                _cleanup_free_ char *text = NULL;
                size_t size = 0;

                NEED_ROW(rows[i].name,
                         root_file_read(fd, rows[i].name, 16, &text, &size, NULL, NULL) == rows[i].r);
                NEED_ROW(rows[i].name, rows[i].r < 0 ? !text : size == 4 && same_text(text, "text"));
        }
        NEED(root_file_read(fd, "good", 3, &large, NULL, NULL, NULL) == -EFBIG && !large);
}

int main(void)
{
        char command[64];

        if (geteuid() != 0)
                return 77;
        umask(0);
        NEED(mkdtemp(top));
        NEED(chmod(top, 0755) == 0);
        test_directories();
        test_files();
        snprintf(command, sizeof(command), "rm -rf %s", top);
        NEED(system(command) == 0);
        return 0;
}
