/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "spawner/guard.h"

#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <time.h>

#include "base/fd.h"
#include "base/log.h"
#include "base/time.h"

#define KILL_SEC     5
#define SUSPECTS_MAX 64

/* How long a process is left alone: the first time, and each further time four times as long. */
#define ALONE_USEC  (60 * USEC_PER_SEC)
#define STRIKES_MAX 6

typedef struct Suspect {
        int32_t pid; /* 0: none */
        uint32_t strikes;
        uint64_t inode; /* of a pidfd; where the kernel numbers them, no other process has the same */
        uint64_t until; /* CLOCK_MONOTONIC */
} Suspect;

typedef struct GuardMemory {
        Suspect current;
        uint64_t entered; /* CLOCK_MONOTONIC */
        Suspect suspects[SUSPECTS_MAX];
} GuardMemory;

static GuardMemory *memory;
static timer_t timer;
static bool has_timer;
static unsigned depth;

static uint64_t inode_of(int pidfd)
{
        struct stat st;

        return fstat(pidfd, &st) < 0 ? 0 : st.st_ino;
}

static Suspect *find(pid_t pid, uint64_t inode)
{
        for (size_t i = 0; memory && i < SUSPECTS_MAX; i++)
                if (memory->suspects[i].pid == pid && memory->suspects[i].inode == inode)
                        return &memory->suspects[i];
        return NULL;
}

/* A free place, or the one that is over first. */
static Suspect *make_room(void)
{
        Suspect *first = &memory->suspects[0];

        for (size_t i = 1; i < SUSPECTS_MAX; i++)
                if (memory->suspects[i].until < first->until)
                        first = &memory->suspects[i];
        *first = (Suspect){0};
        return first;
}

/* The last spawner ended while it was reading, and not sooner than the guard would have killed it. */
static void remember_current(void)
{
        Suspect was = memory->current, *s;
        uint64_t now = now_usec(CLOCK_MONOTONIC);

        memory->current = (Suspect){0};
        if (was.pid <= 0 || now < memory->entered + KILL_SEC * USEC_PER_SEC)
                return;
        s = find(was.pid, was.inode) ?: make_room();
        was.strikes = MIN(s->strikes + 1, STRIKES_MAX);
        was.until = now + (ALONE_USEC << (2 * (was.strikes - 1)));
        *s = was;
        log_warning("Process %d did not let execd-spawner read its state, and is left alone for %u s",
                    was.pid, (unsigned) ((was.until - now) / USEC_PER_SEC));
}

static int make_memory(void)
{
        int fd = memfd_create("execd-guard", MFD_CLOEXEC);

        if (fd < 0)
                return -errno;
        if (ftruncate(fd, sizeof(GuardMemory)) < 0) {
                int r = -errno;

                fd_close(fd);
                return r;
        }
        (void) sd_pid_notify_with_fds(0, false, "FDSTORE=1\nFDNAME=" GUARD_FD_NAME, &fd, 1);
        return fd;
}

int guard_init(int kept)
{
        struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
        _cleanup_close_ int fd = kept;
        struct stat st;
        void *p;

        if (fd < 0 || fstat(fd, &st) < 0 || st.st_size != sizeof(GuardMemory)) {
                fd_close(fd);
                fd = make_memory();
                if (fd < 0)
                        return fd;
        }
        p = mmap(NULL, sizeof(GuardMemory), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        memory = p;
        remember_current();
        if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0)
                return -errno;
        has_timer = true;
        return 0;
}

static void set_timer(time_t seconds)
{
        const struct itimerspec value = {.it_value.tv_sec = seconds};

        if (has_timer)
                (void) timer_settime(timer, 0, &value, NULL);
}

void guard_enter(pid_t pid, int pidfd)
{
        if (depth++ > 0 || !memory)
                return;
        memory->entered = now_usec(CLOCK_MONOTONIC);
        memory->current = (Suspect){.pid = pid, .inode = inode_of(pidfd)};
        set_timer(KILL_SEC);
}

void guard_leave(void)
{
        if (--depth > 0 || !memory)
                return;
        set_timer(0);
        memory->current = (Suspect){0};
}

int guard_begin(pid_t pid, Refusal *reterr)
{
        _cleanup_close_ int pidfd = pidfd_open_pid(pid);
        const Suspect *s;

        if (pidfd < 0)
                return pidfd;
        s = find(pid, inode_of(pidfd));
        if (s && now_usec(CLOCK_MONOTONIC) < s->until)
                return refuse(reterr, REFUSAL_UNAVAILABLE, EBUSY,
                              "the first process of the container did not let execd-spawner read its state, "
                              "and is left alone for now");
        guard_enter(pid, pidfd);
        return 0;
}
