/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/stdio-check.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

static bool is_kernel_file_system(int fd)
{
        static const unsigned long magics[] = {
                PROC_SUPER_MAGIC, SYSFS_MAGIC,    CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC,
                SELINUX_MAGIC,    DEBUGFS_MAGIC,  TRACEFS_MAGIC,      SECURITYFS_MAGIC,
                BPF_FS_MAGIC,     PSTOREFS_MAGIC, EFIVARFS_MAGIC,     DEVPTS_SUPER_MAGIC,
                BINFMTFS_MAGIC,
        };
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return true;
        for (size_t i = 0; i < ELEMENTSOF(magics); i++)
                if ((unsigned long) fs.f_type == magics[i])
                        return true;
        return false;
}

int stdio_check(int fd, const char *name, Refusal *reterr)
{
        int flags = fcntl(fd, F_GETFL);
        const char *what = NULL;
        struct stat st;

        if (flags < 0 || fstat(fd, &st) < 0)
                what = "an invalid file descriptor";
        else if (flags & O_PATH)
                what = "an O_PATH file descriptor";
        else if (S_ISCHR(st.st_mode))
                what = st.st_rdev == makedev(1, 3) ? NULL : isatty(fd) ? "a terminal" : "a device";
        else if (S_ISREG(st.st_mode))
                what = is_kernel_file_system(fd) ? "a file of a kernel file system" : NULL;
        else if (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode))
                what = "a directory or the like";
        if (!what)
                return 0;
        return refuse(reterr, REFUSAL_BAD_REQUEST, EINVAL,
                      "%s: %s cannot be passed, only a pipe, a socket, a regular file or /dev/null", name,
                      what);
}
