/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/container-info.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "wire/oci-details.h"

#define EVENT_LABELS_MAX (64 * 1024)

#define SEEN_USEC        (5 * USEC_PER_MSEC)

/* The texts of a container. */
#define TEXT(member) offsetof(ContainerInfo, member)
static const size_t texts[] = {TEXT(id),   TEXT(name),  TEXT(kind),  TEXT(state), TEXT(image),
                               TEXT(unit), TEXT(slice), TEXT(label), TEXT(user),  TEXT(working_dir)};

static char **text_at(ContainerInfo *c, size_t i)
{
        return (char **) ((char *) c + texts[i]);
}

static int read_details(sd_bus_message *m, char ***ret)
{
        const char *name, *json;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{ss}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_read(m, "{ss}", &name, &json)) > 0) {
                r = strv_append(ret, name);
                if (r >= 0)
                        r = strv_append(ret, json);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

ContainerInfo *container_info_new_remembered(void)
{
        ContainerInfo *c = calloc(1, sizeof(ContainerInfo));

        if (c)
                *c = (ContainerInfo){.n_ref = 1, .leader_pidfd = -EBADF};
        return c;
}

int container_info_read(sd_bus_message *m, ContainerInfo **ret)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;
        const char *read[ELEMENTSOF(texts)]; /* in the order of `texts` */
        int confined, r;

        r = sd_bus_message_enter_container(m, 'r', CONTAINER_FIELDS);
        if (r <= 0)
                return r;
        c = container_info_new_remembered();
        if (!c)
                return -ENOMEM;
        r = sd_bus_message_read(m, "sssssssututt", &read[0], &read[1], &read[2], &read[3], &read[4],
                                &read[5], &read[6], &c->leader, &c->leader_start, &c->leader_uid,
                                &c->created_usec, &c->started_usec);
        if (r >= 0)
                r = sd_bus_message_read_strv(m, &c->command);
        if (r >= 0)
                r = sd_bus_message_read(m, "sss", &read[7], &read[8], &read[9]);
        if (r >= 0)
                r = read_details(m, &c->details);
        if (r >= 0)
                r = sd_bus_message_read(m, "b", &confined);
        if (r >= 0)
                r = sd_bus_message_exit_container(m);
        if (r < 0)
                return r;
        c->confined = confined;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++) {
                *text_at(c, i) = strdup(read[i]);
                if (!*text_at(c, i))
                        return -ENOMEM;
        }
        *ret = TAKE_PTR(c);
        return 1;
}

ContainerInfo *container_info_ref(ContainerInfo *c)
{
        c->n_ref++;
        return c;
}

ContainerInfo *container_info_unref(ContainerInfo *c)
{
        assert(!c || c->n_ref > 0);
        if (!c || --c->n_ref > 0)
                return NULL;
        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                free(*text_at(c, i));
        strv_free(c->command);
        strv_free(c->details);
        fd_close(c->leader_pidfd);
        return mfree(c);
}

bool containers_seen_just_now(const ContainersSeen *s, const ContainerInfo *c)
{
        size_t i = c->leader % ELEMENTSOF(s->slots);

        return s->slots[i].id && strcmp(s->slots[i].id, c->id) == 0 && s->slots[i].leader == c->leader &&
               s->slots[i].leader_start == c->leader_start &&
               now_usec(CLOCK_MONOTONIC) - s->slots[i].usec < SEEN_USEC;
}

void containers_seen_add(ContainersSeen *s, const ContainerInfo *c)
{
        size_t i = c->leader % ELEMENTSOF(s->slots);

        if (!s->slots[i].id || strcmp(s->slots[i].id, c->id) != 0) {
                free(s->slots[i].id);
                s->slots[i].id = strdup(c->id);
        }
        s->slots[i].leader = c->leader;
        s->slots[i].leader_start = c->leader_start;
        s->slots[i].usec = now_usec(CLOCK_MONOTONIC);
}

void containers_seen_done(ContainersSeen *s)
{
        for (size_t i = 0; i < ELEMENTSOF(s->slots); i++)
                s->slots[i].id = mfree(s->slots[i].id);
}

void container_info_forget_leader(ContainerInfo *c)
{
        if (c)
                c->leader_pidfd = fd_close(c->leader_pidfd);
}

static int append_text(char ***v, const char *key, const char *value)
{
        char *text;

        return asprintf(&text, "%s=%s", key, value) < 0 ? -ENOMEM : strv_consume(v, text);
}

static bool is_ours(const char *label)
{
        return strncmp(label, "org.execd1.kind=", strlen("org.execd1.kind=")) == 0 ||
               strncmp(label, "org.execd1.unit=", strlen("org.execd1.unit=")) == 0;
}

int container_info_labels(const ContainerInfo *c, char ***labels, bool *ret_known)
{
        _cleanup_strv_ char **engines = NULL;
        int r;

        r = oci_details_labels(c->details, &engines);
        if (r == -ENOMEM)
                return r;
        /* Containers without an engine have only our labels. */
        *ret_known = r >= 0 || !(strcmp(c->kind, "docker") == 0 || strcmp(c->kind, "podman") == 0) ||
                     oci_details_find(c->details, "Config");
        r = append_text(labels, "org.execd1.kind", c->kind);
        if (r >= 0)
                r = append_text(labels, "org.execd1.unit", c->unit ?: "");
        STRV_FOREACH (l, engines)
                if (r >= 0 && !is_ours(*l))
                        r = strv_append(labels, *l);
        return r;
}

int container_info_attributes(const ContainerInfo *c, char ***attributes)
{
        _cleanup_strv_ char **labels = NULL;
        size_t size = 0;
        bool known;
        int r;

        r = append_text(attributes, "image", c->image);
        if (r >= 0)
                r = append_text(attributes, "name", c->name);
        if (r >= 0)
                r = container_info_labels(c, &labels, &known);
        STRV_FOREACH (l, labels)
                size += strlen(*l);
        if (size > EVENT_LABELS_MAX)
                return r;
        /* The first of a name counts, so that no label takes the place of the image. */
        STRV_FOREACH (l, labels)
                if (r >= 0)
                        r = strv_append(attributes, *l);
        return r;
}

void container_info_keep_labels(ContainerInfo *c)
{
        char **to = c->details;

        for (char **from = c->details; from && from[0]; from += 2)
                if (strcmp(from[0], "Config.Labels") == 0) {
                        *to++ = from[0];
                        *to++ = from[1];
                } else {
                        free(from[0]);
                        free(from[1]);
                }
        if (to)
                *to = NULL;
}

size_t container_info_size(const ContainerInfo *c)
{
        size_t size = sizeof(ContainerInfo) + strv_size(c->command) + strv_size(c->details);

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                size += strlen(*text_at((ContainerInfo *) c, i) ?: "") + 1;
        return size;
}

bool container_info_is_paused(const ContainerInfo *c)
{
        return strcmp(c->state, "paused") == 0;
}

int container_info_read_reply(sd_bus_message *m, ContainerInfo **ret)
{
        _cleanup_(container_info_unrefp) ContainerInfo *c = NULL;
        int fd, r;

        r = container_info_read(m, &c);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        r = sd_bus_message_read(m, "h", &fd);
        if (r < 0)
                return r;
        /* The message owns its fds. */
        c->leader_pidfd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (c->leader_pidfd < 0)
                return -errno;
        *ret = TAKE_PTR(c);
        return 0;
}
