/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * A file system that is one file: a program, which can be executed. From a moment on the file system does
 * no longer say what the file is, and processes that ask it wait. Or a file that can be opened, and neither
 * be read nor closed.
 */

#include <errno.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "hostile.h"

#define SECONDS  60
#define READ_MAX (128 * 1024)

static void answer(int fd, uint64_t unique, int error, const void *data, size_t size)
{
        struct fuse_out_header head = {
                .len = (uint32_t) (sizeof(head) + size), .error = error, .unique = unique};
        struct iovec parts[] = {{&head, sizeof(head)}, {(void *) data, size}};

        if (writev(fd, parts, 2) < 0)
                perror("fuse");
}

/* A file says that something was asked for which is never answered, and by whom it is not. */
static void keep_waiting(const char *asked)
{
        char next[256];
        FILE *f;

        snprintf(next, sizeof(next), "%s.new", asked);
        f = fopen(next, "w");
        if (!f)
                return;
        fprintf(f, "%d", getpid());
        fclose(f);
        (void) rename(next, asked);
}

static void answer_read(int fd, const struct fuse_in_header *in, int program)
{
        const struct fuse_read_in *q = (const void *) (in + 1);
        static char data[READ_MAX];
        ssize_t n = pread(program, data, q->size < READ_MAX ? q->size : READ_MAX, (off_t) q->offset);

        answer(fd, in->unique, n < 0 ? -EIO : 0, data, n < 0 ? 0 : (size_t) n);
}

static void answer_attributes(int fd, const struct fuse_in_header *in, int program, const char *quiet)
{
        struct fuse_attr_out attr = {
                .attr = {.ino = FUSE_ROOT_ID, .mode = S_IFREG | 0755, .nlink = 1, .blksize = 4096}};
        struct stat st = {0};

        if (access(quiet, F_OK) == 0)
                return;
        if (program >= 0)
                (void) fstat(program, &st);
        attr.attr.size = program >= 0 ? (uint64_t) st.st_size : READ_MAX;
        answer(fd, in->unique, 0, &attr, sizeof(attr));
}

/* Files that are opened after the first one are not cached. */
static void serve(int fd, int program, const char *quiet, const char *asked)
{
        static char request[1 << 20];
        struct fuse_init_out init = {
                .major = FUSE_KERNEL_VERSION, .minor = 31, .max_write = 4096, .max_readahead = 4096};
        struct fuse_open_out opened = {0};
        const struct fuse_in_header *in = (const void *) request;

        while (read(fd, request, sizeof(request)) >= (ssize_t) sizeof(*in))
                if (in->opcode == FUSE_INIT)
                        answer(fd, in->unique, 0, &init, sizeof(init));
                else if (in->opcode == FUSE_GETATTR)
                        answer_attributes(fd, in, program, quiet);
                else if (in->opcode == FUSE_OPEN) {
                        answer(fd, in->unique, 0, &opened, sizeof(opened));
                        opened.open_flags = program < 0 ? FOPEN_DIRECT_IO | FOPEN_KEEP_CACHE : 0;
                } else if ((in->opcode == FUSE_READ || in->opcode == FUSE_FLUSH) && program < 0)
                        keep_waiting(asked);
                else if (in->opcode == FUSE_READ)
                        answer_read(fd, in, program);
                else if (in->opcode != FUSE_FORGET && in->opcode != FUSE_BATCH_FORGET)
                        answer(fd, in->unique, -ENOSYS, NULL, 0);
}

int fuse_program(const char *target, const char *program, const char *quiet)
{
        char options[128];
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC), file = open(program, O_RDONLY | O_CLOEXEC);

        snprintf(options, sizeof(options), "fd=%d,rootmode=100755,user_id=0,group_id=0,allow_other", fd);
        if (fd < 0 || file < 0 || mount("program", target, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                perror(target);
                return 3;
        }
        alarm(SECONDS);
        serve(fd, file, quiet, NULL);
        return 0;
}

static int mount_at(const char *name, const char *target)
{
        char options[128];
        int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

        snprintf(options, sizeof(options), "fd=%d,rootmode=100755,user_id=0,group_id=0,allow_other", fd);
        if (fd < 0 || mount(name, target, "fuse", MS_NOSUID | MS_NODEV, options) < 0) {
                perror(target);
                _exit(3);
        }
        return fd;
}

static int open_served(const char *target)
{
        struct stat st;
        int file = open(target, O_RDONLY | O_CLOEXEC);

        /* The kernel knows its size once it was asked for. */
        if (file < 0 || fstat(file, &st) < 0 || st.st_size == 0)
                _exit(3);
        return file;
}

static void map(int file)
{
        volatile char *data = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0);

        if (data == MAP_FAILED)
                _exit(3);
        (void) data[0];
}

/* A process that waits for the file system with the lock of its memory held: the kernel wants to drop a page
 * that another process reads and that is never answered for. */
int fuse_memory(const char *target, const char *asked)
{
        int fd = mount_at("memory", target), file;

        if (fork() == 0) {
                alarm(SECONDS);
                serve(fd, -1, "/no/such/file", asked);
                _exit(0);
        }
        close(fd);
        file = open_served(target);
        if (fork() == 0) {
                map(file);
                _exit(0);
        }
        while (access(asked, F_OK) < 0)
                usleep(10000); /* until it looks again */
        map(open_served(target));
        return wait_for_end();
}

/* A process that waits for the file system in the middle of execve(2), which closes a file. */
int fuse_flush(const char *target, const char *asked, char *const *argv)
{
        int fd = mount_at("flush", target);

        if (fork() == 0) {
                alarm(SECONDS);
                serve(fd, -1, "/no/such/file", asked);
                _exit(0);
        }
        close(fd);
        (void) open_served(target);
        execv(argv[0], argv);
        return 3;
}
