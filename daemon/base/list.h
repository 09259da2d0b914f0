/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/*
 * Intrusive doubly linked lists. A node lives inside its object, so joining a list never allocates; a zeroed
 * node is linked nowhere, and unlinking twice is harmless.
 */

#include <stddef.h>

typedef struct ListNode {
        struct ListNode *next;
        struct ListNode *previous;
} ListNode;

typedef struct List {
        ListNode *first;
        ListNode *last;
} List;

#define LIST_ENTRY(node, type, member) ((type *) ((char *) (node) -offsetof(type, member)))

/* Walks a list; the current node may be unlinked and freed by the body, its neighbours may not. */
#define LIST_FOREACH_SAFE(node, list)                                                       \
        for (ListNode *node = (list)->first, *node##_next = node ? node->next : NULL; node; \
             node = node##_next, node##_next = node ? node->next : NULL)

static inline int list_is_empty(const List *l)
{
        return !l->first;
}

static inline void list_append(List *l, ListNode *n)
{
        n->next = NULL;
        n->previous = l->last;
        if (l->last)
                l->last->next = n;
        else
                l->first = n;
        l->last = n;
}

static inline void list_remove(List *l, ListNode *n)
{
        if (!n->next && !n->previous && l->first != n)
                return;
        if (n->previous)
                n->previous->next = n->next;
        else
                l->first = n->next;
        if (n->next)
                n->next->previous = n->previous;
        else
                l->last = n->previous;
        n->next = n->previous = NULL;
}
