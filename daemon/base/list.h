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

static inline void *list_entry_or_null(ListNode *node, size_t offset)
{
        return node ? (char *) node - offset : NULL;
}

/* Walks a list of objects that are linked by `member`. The body may unlink and free the current object, but
 * not its neighbors. */
#define LIST_FOREACH(type, entry, list, member)                                                          \
        for (type *entry = list_entry_or_null((list)->first, offsetof(type, member)),                    \
                  *entry##_next = entry ? list_entry_or_null(entry->member.next, offsetof(type, member)) \
                                        : NULL;                                                          \
             entry; entry = entry##_next,                                                                \
                  entry##_next = entry ? list_entry_or_null(entry->member.next, offsetof(type, member))  \
                                       : NULL)

/* The first object of such a list for which the condition holds, or NULL. */
#define LIST_FIND(type, entry, list, member, condition)  \
        ({                                               \
                type *found_ = NULL;                     \
                                                         \
                LIST_FOREACH (type, entry, list, member) \
                        if (condition) {                 \
                                found_ = entry;          \
                                break;                   \
                        }                                \
                found_;                                  \
        })

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

/* Moves the nodes of `tail` to the end of `l`, and leaves `tail` empty. */
static inline void list_join(List *l, List *tail)
{
        if (!tail->first)
                return;
        tail->first->previous = l->last;
        if (l->last)
                l->last->next = tail->first;
        else
                l->first = tail->first;
        l->last = tail->last;
        *tail = (List){NULL, NULL};
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

/* From the list in which it is into another one; NULL: none. */
static inline void list_move(List **in, List *to, ListNode *n)
{
        if (*in)
                list_remove(*in, n);
        *in = to;
        if (to)
                list_append(to, n);
}
