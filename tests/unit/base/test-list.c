/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Lists: order, finding, removal anywhere, removal twice, and removal while walking. */

#include "base/list.h"

#include "base/cleanup.h"
#include "unit/test.h"

typedef struct Item {
        char name;
        ListNode node;
} Item;

static const char *names(const List *l)
{
        static char text[16];
        size_t n = 0;

        LIST_FOREACH (Item, i, l, node)
                text[n++] = i->name;
        text[n] = '\0';
        return text;
}

static const char *names_backwards(const List *l)
{
        static char text[16];
        size_t n = 0;

        for (const ListNode *i = l->last; i; i = i->previous)
                text[n++] = LIST_ENTRY(i, Item, node)->name;
        text[n] = '\0';
        return text;
}

int main(void)
{
        Item items[] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}, {.name = 'd'}};
        List list = {0};

        CHECK(list_is_empty(&list));
        list_remove(&list, &items[0].node); /* linked nowhere: harmless */
        CHECK(list_is_empty(&list));

        for (size_t i = 0; i < ELEMENTSOF(items); i++)
                list_append(&list, &items[i].node);
        CHECK_TEXT("appended", names(&list), "abcd");
        CHECK_TEXT("appended", names_backwards(&list), "dcba");

        CHECK(LIST_FIND(Item, i, &list, node, i->name > 'b') == &items[2]);
        CHECK(!LIST_FIND(Item, i, &list, node, i->name > 'd'));
        CHECK(ARRAY_FIND(items, ELEMENTSOF(items), i, i->name > 'b') == &items[2]);
        CHECK(!ARRAY_FIND(items, 2, i, i->name > 'b'));

        list_remove(&list, &items[1].node);
        CHECK_TEXT("from the middle", names(&list), "acd");
        list_remove(&list, &items[1].node);
        CHECK_TEXT("twice", names(&list), "acd");
        CHECK_TEXT("twice", names_backwards(&list), "dca");
        list_remove(&list, &items[0].node);
        CHECK_TEXT("the first", names(&list), "cd");
        list_remove(&list, &items[3].node);
        CHECK_TEXT("the last", names(&list), "c");
        list_append(&list, &items[0].node);
        CHECK_TEXT("joined again", names(&list), "ca");

        list_append(&list, &items[1].node);
        LIST_FOREACH (Item, i, &list, node)
                if (i->name != 'a')
                        list_remove(&list, &i->node);
        CHECK_TEXT("while walking", names(&list), "a");
        list_remove(&list, &items[0].node);
        CHECK(list_is_empty(&list) && !list.last);
        return test_finish("list");
}
