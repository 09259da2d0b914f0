/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "api/image-name.h"

#include <string.h>

#include "base/cleanup.h"

/* The length without ":latest", which a name without a tag means. */
static size_t untagged(const char *image)
{
        size_t n = strlen(image), tag = strlen(":latest");

        return n > tag && strcmp(image + n - tag, ":latest") == 0 ? n - tag : n;
}

/* The registries that a short name is completed with. */
static const char *unqualified(const char *image)
{
        static const char *const prefixes[] = {"docker.io/library/", "docker.io/", "localhost/"};

        for (size_t i = 0; i < ELEMENTSOF(prefixes); i++)
                if (strncmp(image, prefixes[i], strlen(prefixes[i])) == 0)
                        return image + strlen(prefixes[i]);
        return image;
}

bool image_name_matches(const char *image, const char *value)
{
        size_t n;

        image = unqualified(image);
        value = unqualified(value);
        n = untagged(image);
        return n > 0 && n == untagged(value) && strncmp(image, value, n) == 0;
}

bool image_id_matches(const char *id, const char *value)
{
        static const char prefix[] = "sha256:";

        if (strncmp(id, prefix, strlen(prefix)) == 0)
                id += strlen(prefix);
        if (strncmp(value, prefix, strlen(prefix)) == 0)
                value += strlen(prefix);
        return *value && strncmp(id, value, strlen(value)) == 0;
}
