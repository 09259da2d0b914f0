/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of several types into messages: the variants, dictionaries and arrays that sd-bus has no call for. */

#include <systemd/sd-bus.h>

/* One entry of an a{sv}: a name and an array of strings. */
int dbus_append_strings(sd_bus_message *m, const char *name, char *const *v);
/* One entry of an a{sv}: a name and an a{ss} of "key=value" texts. */
int dbus_append_pairs(sd_bus_message *m, const char *name, char *const *pairs);

/* An a{ss} of "key=value" texts. */
int dbus_append_dictionary(sd_bus_message *m, char *const *pairs);

/* A method's answer, with an array of such elements open in it. */
int dbus_reply_new_array(sd_bus_message *call, const char *element, sd_bus_message **ret);

/* Closes so many containers, one in the other. */
int dbus_close(sd_bus_message *m, size_t n);
