/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LINES_MAX 4096

static char *lines[LINES_MAX];
static size_t n_lines;

static void add_line(char *line)
{
        if (n_lines == LINES_MAX) {
                fprintf(stderr, "probe: more than %d lines\n", LINES_MAX);
                _exit(3);
        }
        lines[n_lines++] = line;
}

void emit_bytes(const char *key, const char *bytes, size_t size)
{
        char *line = malloc(strlen(key) + 1 + size * 4 + 1), *out = line;

        if (!line)
                _exit(3);
        out += sprintf(out, "%s=", key);
        for (size_t i = 0; i < size; i++) {
                unsigned char c = (unsigned char) bytes[i];

                if (c == '\n')
                        out += sprintf(out, "\\n");
                else if (c == '\t')
                        *out++ = ' ';
                else if (c < 0x20 || c >= 0x7f || c == '\\')
                        out += sprintf(out, "\\x%02x", c);
                else
                        *out++ = (char) c;
        }
        *out = 0;
        add_line(line);
}

void emit(const char *key, const char *format, ...)
{
        char *text = NULL;
        va_list ap;
        int size;

        va_start(ap, format);
        size = vasprintf(&text, format, ap);
        va_end(ap);
        if (size < 0)
                _exit(3);
        emit_bytes(key, text, (size_t) size);
        free(text);
}

long read_whole(const char *path, char *buffer, size_t size)
{
        size_t have = 0;
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

        if (fd < 0)
                return -errno;
        while (have < size - 1) {
                ssize_t n = read(fd, buffer + have, size - 1 - have);

                if (n < 0) {
                        int error = errno;

                        close(fd);
                        return -error;
                }
                if (n == 0)
                        break;
                have += (size_t) n;
        }
        close(fd);
        buffer[have] = 0;
        return (long) have;
}

const char *errno_name(int error)
{
        static char other[32];
        const char *name = strerrorname_np(error);

        if (name)
                return name;
        snprintf(other, sizeof(other), "%d", error);
        return other;
}

static int compare(const void *a, const void *b)
{
        return strcmp(*(char *const *) a, *(char *const *) b);
}

static int print_lines(void)
{
        qsort(lines, n_lines, sizeof(lines[0]), compare);
        for (size_t i = 0; i < n_lines; i++)
                puts(lines[i]);
        return fflush(stdout) == 0 ? 0 : 3;
}

static int report(char **environment)
{
        /* Before anything of ours changes them. */
        report_fds();
        report_relations();
        report_status();
        report_namespaces();
        report_limits();
        report_proc_files();
        report_prctl();
        report_scheduling();
        report_keyrings();
        report_labels();
        report_mounts();
        report_places();
        report_environment(environment);
        report_terminal();
        report_mappings();
        report_attempts();
        return print_lines();
}

/* The identity alone: for tests that want to know who runs and with what. */
static int brief(void)
{
        report_status();
        report_namespaces();
        report_relations();
        report_places();
        report_labels();
        report_fds();
        return print_lines();
}

int main(int argc, char **argv, char **environment)
{
        if (argc == 2 && strcmp(argv[1], "report") == 0)
                return report(environment);
        if (argc == 2 && strcmp(argv[1], "brief") == 0)
                return brief();
        if (argc == 3 && strcmp(argv[1], "serve") == 0)
                return serve(argv[2]);
        fprintf(stderr, "usage: probe report | brief | serve DIRECTORY\n");
        return 2;
}
