/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* spawner/image: values are taken in the order in which they were put, and neither goes beyond the memory. */

#include "spawner/image.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/strv.h"
#include "unit/need.h"
#include "unit/test.h"

static void test_all_kinds(void)
{
        char one[] = "one", nil[] = "", three[] = "three", *list[] = {one, nil, three, NULL}, memory[256];
        Image in = {memory, sizeof(memory)}, out = in;
        _cleanup_free_ char *text = NULL, *empty = NULL, *none = NULL;
        _cleanup_strv_ char **taken = NULL, **nothing = NULL;
        uint64_t number = 42, again = 0;

        NEED(image_put(&in, &number, sizeof(number)) == 0 && image_put_text(&in, "text") == 0);
        NEED(image_put_text(&in, "") == 0 && image_put_text(&in, NULL) == 0);
        NEED(image_put_strv(&in, list) == 0 && image_put_strv(&in, NULL) == 0);
        NEED(image_take(&out, &again, sizeof(again)) == 0 && image_take_text(&out, &text) == 0);
        NEED(image_take_text(&out, &empty) == 0 && image_take_text(&out, &none) == 0);
        NEED(image_take_strv(&out, &taken) == 0 && image_take_strv(&out, &nothing) == 0);
        CHECK(again == 42 && strcmp(text, "text") == 0);
        CHECK(empty && !*empty && !none && !nothing);
        CHECK(strv_length(taken) == 3 && strcmp(taken[0], "one") == 0 && !*taken[1] &&
              strcmp(taken[2], "three") == 0);
        CHECK(out.left == in.left);
}

static void test_no_room(void)
{
        char longer[] = "longer than that", *list[] = {longer, NULL}, memory[24];

        CHECK(image_put_text(&(Image){memory, sizeof(memory)}, "longer than that") == -E2BIG);
        CHECK(image_put_strv(&(Image){memory, sizeof(memory)}, list) == -E2BIG);
        CHECK(image_put(&(Image){memory, 4}, memory, 5) == -E2BIG);
}

/* Sizes and counts that the memory cannot have. */
static void test_not_there(void)
{
        uint64_t sizes[] = {UINT64_MAX, 17, 1};

        for (size_t i = 0; i < ELEMENTSOF(sizes); i++) {
                char memory[16] = "";
                char **list = NULL, *text = NULL;
                uint64_t number = sizes[i];

                memcpy(memory, &number, sizeof(number));
                CHECK(image_take_text(&(Image){memory, sizeof(number)}, &text) == -EBADMSG);
                CHECK(image_take_strv(&(Image){memory, sizeof(memory)}, &list) == -EBADMSG);
                CHECK(image_take(&(Image){memory, 4}, &number, 5) == -EBADMSG);
        }
}

int main(void)
{
        test_all_kinds();
        test_no_room();
        test_not_there();
        return test_finish("image");
}
