/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "runner/lean-wait.h"

#include "base/time.h"
#include "runner/runner.h"

#if defined(__x86_64__) && __has_include(<sys/rseq.h>)

#include <errno.h>
#include <link.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/rseq.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define RANGES_MAX 16
#define HEAP_MAX   (1024 * 1024)

/* Of the stack of the program: as much as the kernel makes it at first. */
#define OLD_STACK_MAX (128 * 1024)
/* Of the wait: it calls no function, and no signal interrupts it. */
#define STACK_SIZE 1024

typedef struct Range {
        uintptr_t start, end;
} Range;

/* In pages of its own; the report comes last, since most of it is not touched before the end. */
typedef struct Lean {
        _Alignas(16) char stack[STACK_SIZE];
        Range ranges[RANGES_MAX];
        Range old_stack;
        size_t n_ranges;
        pid_t command;
        int status;
        struct rusage usage;
        struct timespec now;
        RunnerReport report;
} Lean;

/* The pages of wait_and_report(), as the linker names them. */
extern const char __start_lean_text[] __attribute__((visibility("hidden")));
extern const char __stop_lean_text[] __attribute__((visibility("hidden")));

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static inline __attribute__((always_inline)) long call(long number, long a, long b, long c, long d)
{
        register long r10 __asm__("r10") = d;
        register long r8 __asm__("r8") = 0;
        register long r9 __asm__("r9") = 0;
        long r;

        __asm__ volatile("syscall"
                         : "=a"(r)
                         : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        return r;
}

/* From the first call on there is no C library and no stack but the one in `l`: no other variables, no function, no
 * errno, no canary. */
__attribute__((noreturn, noinline, section("lean_text"), no_stack_protector)) static void wait_and_report(
        Lean *l)
{
        uint64_t usec;
        long r;

        (void) call(SYS_madvise, (long) l->old_stack.start, (long) (l->old_stack.end - l->old_stack.start),
                    MADV_DONTNEED, 0);
        for (size_t i = 0; i < l->n_ranges; i++)
                (void) call(SYS_munmap, (long) l->ranges[i].start,
                            (long) (l->ranges[i].end - l->ranges[i].start), 0, 0);
        do
                r = call(SYS_wait4, l->command, (long) &l->status, 0, (long) &l->usage);
        while (r == -EINTR);
        (void) call(SYS_clock_gettime, CLOCK_REALTIME, (long) &l->now, 0, 0);

        usec = (uint64_t) l->usage.ru_utime.tv_sec * USEC_PER_SEC + (uint64_t) l->usage.ru_utime.tv_usec +
               (uint64_t) l->usage.ru_stime.tv_sec * USEC_PER_SEC + (uint64_t) l->usage.ru_stime.tv_usec;
        l->report.cpu_usec = usec > UINT32_MAX ? UINT32_MAX : (uint32_t) usec;
        l->report.max_rss_kib =
                l->usage.ru_maxrss > (long) UINT32_MAX ? UINT32_MAX : (uint32_t) l->usage.ru_maxrss;
        l->report.time_usec = (uint64_t) l->now.tv_sec * USEC_PER_SEC + (uint64_t) l->now.tv_nsec / 1000;
        l->report.wait_status = l->status;
        (void) call(SYS_sendto, RUNNER_CONTROL_FD, (long) &l->report, sizeof(l->report), MSG_NOSIGNAL);
        for (;;)
                (void) call(SYS_exit_group, 0, 0, 0, 0);
}

static uintptr_t page_of(uintptr_t address)
{
        return address & ~((uintptr_t) getpagesize() - 1);
}

static bool add_range(Lean *l, uintptr_t start, uintptr_t end)
{
        if (start >= end)
                return true;
        if (l->n_ranges >= RANGES_MAX)
                return false;
        l->ranges[l->n_ranges++] = (Range){start, end};
        return true;
}

/* The pages of a segment, without those that stay. */
static bool add_segment(Lean *l, uintptr_t start, uintptr_t end)
{
        uintptr_t stay = page_of((uintptr_t) __start_lean_text),
                  stay_end = page_of((uintptr_t) __stop_lean_text - 1) + (uintptr_t) getpagesize();

        if (stay_end <= start || stay >= end)
                return add_range(l, start, end);
        return add_range(l, start, stay) && add_range(l, stay_end, end);
}

/* The program as it was loaded, and the heap, which begins with the block of the only thread. */
static bool find_ranges(Lean *l)
{
        const ElfW(Phdr) *program =
                (const ElfW(Phdr) *) ((const char *) &__ehdr_start + __ehdr_start.e_phoff);
        uintptr_t base = (uintptr_t) &__ehdr_start, page = (uintptr_t) getpagesize(),
                  block = (uintptr_t) __builtin_thread_pointer(), heap_end = (uintptr_t) sbrk(0);

        for (size_t i = 0; i < __ehdr_start.e_phnum; i++) {
                if (program[i].p_type == PT_TLS)
                        block -= program[i].p_memsz;
                if (program[i].p_type == PT_LOAD &&
                    !add_segment(l, page_of(base + program[i].p_vaddr),
                                 page_of(base + program[i].p_vaddr + program[i].p_memsz + page - 1)))
                        return false;
        }
        if (block < heap_end && heap_end - block < HEAP_MAX)
                return add_range(l, page_of(block), page_of(heap_end + page - 1));
        return true;
}

/* The kernel writes to the area of the thread whenever it is scheduled, and kills it when that is gone. */
static bool leave_rseq(void)
{
        char *area = (char *) __builtin_thread_pointer() + __rseq_offset;
        const unsigned sizes[] = {32, __rseq_size, 64};

        if (__rseq_size == 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(sizes); i++)
                if (syscall(SYS_rseq, area, sizes[i], RSEQ_FLAG_UNREGISTER, RSEQ_SIG) == 0)
                        return true;
        return false;
}

/* All of it below what ps(1) shows, the arguments. Not unmapped: the kernel has it on record as the stack. */
static Range find_stack(void)
{
        uintptr_t arguments = page_of((uintptr_t) program_invocation_name);

        return (Range){arguments - OLD_STACK_MAX, arguments};
}

/* There is no way back: the frames of all callers are gone. */
__attribute__((noreturn)) static void wait_on_own_stack(Lean *l)
{
        __asm__ volatile("mov %0, %%rsp\n\t"
                         "xor %%ebp, %%ebp\n\t"
                         "push $0\n\t" /* as if called */
                         "jmp *%1"
                         :
                         : "r"(l->stack + sizeof(l->stack)), "r"(wait_and_report), "D"(l)
                         : "memory");
        __builtin_unreachable();
}

void lean_wait(const RunnerReport *started, pid_t command)
{
        Lean *l = mmap(NULL, sizeof(Lean), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (l == MAP_FAILED)
                return;
        l->command = command;
        l->report.version = RUNNER_REPORT_VERSION;
        l->report.type = RUNNER_EXITED;
        l->report.pid = started->pid;
        l->old_stack = find_stack();
        if (find_ranges(l) && leave_rseq())
                wait_on_own_stack(l);
        (void) munmap(l, sizeof(Lean));
}

#else

void lean_wait(const RunnerReport *started, pid_t command)
{
}

#endif
