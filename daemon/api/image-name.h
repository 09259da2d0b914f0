/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Names and IDs of images, compared with the values of filters. */

#include <stdbool.h>

/* The same name, with or without the tag ":latest" and the default registries. */
bool image_name_matches(const char *image, const char *value);
/* The value is the beginning of the ID, with or without "sha256:". */
bool image_id_matches(const char *id, const char *value);
