/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Scope-bound ownership. A local marked _cleanup_(x_freep) is released when it leaves scope unless it was
 * handed over with TAKE_PTR() or TAKE_FD(). Destructors accept NULL (or a negative fd) and return NULL
 * (or -EBADF), so that `thing = thing_free(thing)` never leaves a dangling name.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(f)      __attribute__((cleanup(f)))
#define _printf_(fmt, va) __attribute__((format(printf, fmt, va)))

#define ELEMENTSOF(x)     (sizeof(x) / sizeof((x)[0]))
#define MIN(a, b)         ((a) < (b) ? (a) : (b))
#define MAX(a, b)         ((a) > (b) ? (a) : (b))

/* The first of n elements for which the condition holds, or NULL. */
#define ARRAY_FIND(array, n, entry, condition)                       \
        ({                                                           \
                __typeof__(*(array)) *found_ = NULL;                 \
                                                                     \
                for (size_t at_ = 0; !found_ && at_ < (n); at_++) {  \
                        __typeof__(*(array)) *entry = &(array)[at_]; \
                                                                     \
                        if (condition)                               \
                                found_ = entry;                      \
                }                                                    \
                found_;                                              \
        })

#define TAKE_PTR(ptr)                   \
        ({                              \
                __auto_type p_ = (ptr); \
                (ptr) = NULL;           \
                p_;                     \
        })

#define TAKE_FD(fd)            \
        ({                     \
                int f_ = (fd); \
                (fd) = -EBADF; \
                f_;            \
        })

/* Closes an fd without touching errno. Always returns -EBADF. */
static inline int fd_close(int fd)
{
        if (fd >= 0) {
                int saved = errno;

                close(fd);
                errno = saved;
        }
        return -EBADF;
}

static inline void fd_closep(int *fd)
{
        *fd = fd_close(*fd);
}

static inline void *mfree(void *p)
{
        free(p);
        return NULL;
}

static inline void freep(void *p)
{
        free(*(void **) p);
}

#define _cleanup_free_  _cleanup_(freep)
#define _cleanup_close_ _cleanup_(fd_closep)

/* Defines the `typep` helper that _cleanup_() needs, for a destructor that takes a pointer. */
#define DEFINE_CLEANUP(type, func)           \
        static inline void func##p(type **p) \
        {                                    \
                if (*p)                      \
                        *p = func(*p);       \
        }
