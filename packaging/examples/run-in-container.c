/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Runs a command in a running container, copies its output and its errors to stdout and stderr, and ends
 * with its exit status. Without arguments: lists the containers. Needs libsystemd and nothing else:
 *
 *   cc -o run-in-container run-in-container.c $(pkg-config --cflags --libs libsystemd)
 *   ./run-in-container
 *   ./run-in-container web ls -l /etc
 *
 * The command writes to pipes that this program reads, and execd copies nothing. org.execd1(5) has all
 * calls.
 */

#define _GNU_SOURCE

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define SERVICE "org.execd1"
#define MANAGER "org.execd1.Manager"
#define EXEC    "org.execd1.Exec"

/* Says what was answered. The exit status for it: 127 and 126 as shells have them, else 1. */
static int fail(const char *what, const sd_bus_error *error, int r)
{
        fprintf(stderr, "%s: %s\n", what, error && error->message ? error->message : strerror(-r));
        if (error && sd_bus_error_has_name(error, "org.execd1.Error.CommandNotFound"))
                return 127;
        if (error && sd_bus_error_has_name(error, "org.execd1.Error.CommandNotRunnable"))
                return 126;
        return EXIT_FAILURE;
}

static int list_containers(sd_bus *bus)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *reply = NULL;
        const char *id, *name, *kind, *state, *unit;
        uint64_t started;
        uint32_t leader;
        int r, status = EXIT_SUCCESS;

        r = sd_bus_call_method(bus, SERVICE, "/org/execd1", MANAGER, "ListContainers", &error, &reply, NULL);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sssssut)");
        while (r >= 0 && (r = sd_bus_message_read(reply, "(sssssut)", &id, &name, &kind, &state, &unit,
                                                  &leader, &started)) > 0)
                printf("%.12s  %-20s %-10s %s\n", id, name, state, unit);
        if (r < 0)
                status = fail("ListContainers", &error, r);
        sd_bus_error_free(&error);
        sd_bus_message_unref(reply);
        return status;
}

/* RunPiped: creates an exec and starts it on pipes, whose other ends are returned. *ret_object and the pipes
 * are the caller's. */
static int start(sd_bus *bus, char **argv, int ret_pipes[static 3], char **ret_object)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL, *reply = NULL;
        const char *id, *object;
        int fds[3], r, status = EXIT_SUCCESS;

        r = sd_bus_message_new_method_call(bus, &m, SERVICE, "/org/execd1", MANAGER, "RunPiped");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", argv[0]);
        if (r >= 0)
                r = sd_bus_message_append_strv(m, argv + 1);
        /* Options: here one label, by which the exec can be found in lists. */
        if (r >= 0)
                r = sd_bus_message_append(m, "a{sv}", 1, "Labels", "a{ss}", 1, "example",
                                          "run-in-container");
        /* Stdout and stderr are two pipes. */
        if (r >= 0)
                r = sd_bus_message_append(m, "b", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "sohhh", &id, &object, &fds[0], &fds[1], &fds[2]);
        /* The reply closes its own when it goes. */
        for (int i = 0; i < 3 && r >= 0; i++) {
                ret_pipes[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
                if (ret_pipes[i] < 0)
                        r = -errno;
        }
        if (r >= 0) {
                *ret_object = strdup(object);
                r = *ret_object ? 0 : -ENOMEM;
        }
        if (r < 0)
                status = fail(argv[0], &error, r);
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return status;
}

/* The exit status of the command. Wait has no limit of its own with 0; the call must have none either. */
static int wait_for(sd_bus *bus, const char *object)
{
        sd_bus_error error = SD_BUS_ERROR_NULL;
        sd_bus_message *m = NULL, *reply = NULL;
        const char *result;
        int32_t status = EXIT_FAILURE;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, SERVICE, object, EXEC, "Wait");
        if (r >= 0)
                r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call(bus, m, UINT64_MAX, &error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "is", &status, &result);
        if (r < 0)
                status = fail("Wait", &error, r);
        sd_bus_error_free(&error);
        sd_bus_message_unref(m);
        sd_bus_message_unref(reply);
        return status;
}

static int copy_some(int from, int to)
{
        char buffer[65536];
        ssize_t n = read(from, buffer, sizeof(buffer));

        for (ssize_t done = 0, k; done < n; done += k) {
                k = write(to, buffer + done, (size_t) (n - done));
                if (k < 0)
                        return -errno;
        }
        return n > 0;
}

/* Until no process in the container has the other ends open. */
static int copy_output(const int pipes[static 3])
{
        struct pollfd p[2] = {{.fd = pipes[1], .events = POLLIN}, {.fd = pipes[2], .events = POLLIN}};

        while (p[0].fd >= 0 || p[1].fd >= 0) {
                if (poll(p, 2, -1) < 0)
                        return -errno;
                for (int i = 0; i < 2; i++) {
                        int r = p[i].revents ? copy_some(p[i].fd, i == 0 ? STDOUT_FILENO : STDERR_FILENO)
                                             : 1;

                        if (r < 0)
                                return r;
                        if (r == 0)
                                p[i].fd = -1;
                }
        }
        return 0;
}

static int run(sd_bus *bus, char **argv)
{
        int pipes[3] = {-1, -1, -1}, status, r;
        char *object = NULL;

        status = start(bus, argv, pipes, &object);
        if (status == EXIT_SUCCESS) {
                r = copy_output(pipes);
                status = r < 0 ? fail("output", NULL, r) : wait_for(bus, object);
        }
        for (int i = 0; i < 3; i++)
                if (pipes[i] >= 0)
                        close(pipes[i]);
        free(object);
        return status;
}

int main(int argc, char **argv)
{
        sd_bus *bus = NULL;
        int r, status;

        if (argc == 2) {
                fprintf(stderr, "usage: %s [CONTAINER COMMAND [ARGUMENT]...]\n", argv[0]);
                return 2;
        }
        r = sd_bus_open_system(&bus);
        if (r < 0)
                return fail("the system bus", NULL, r);
        /* polkit may have to ask a person: let it, and leave the time for it. */
        sd_bus_set_allow_interactive_authorization(bus, 1);
        sd_bus_set_method_call_timeout(bus, UINT64_C(180000000));

        status = argc == 1 ? list_containers(bus) : run(bus, argv + 1);
        sd_bus_flush_close_unref(bus);
        return status;
}
