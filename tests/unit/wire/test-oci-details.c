/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The details of an engine's files that clients see, and their places in Podman's database. */

#include "wire/oci-details.h"

#include <errno.h>
#include <stdlib.h>

#include "base/strv.h"
#include "unit/test.h"
#include "wire/bolt.h"

static bool is_text(const char *a, const char *b)
{
        return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_docker(void)
{
        static const char config[] = "{\"Config\":{\"Labels\":{\"a\":\"b\",\"odd=key\":\"c\",\"e\":\"\"}},"
                                     "\"Image\":\"sha256:1\",\"Managed\":false,\"MountPoints\":null,"
                                     "\"State\":{\"Health\":{\"Status\":\"healthy\"}},\"Path\":7}";
        static const char host[] = "{\"NetworkMode\":\"none\",\"GroupAdd\":[\"4242\",\"wheel\"]}";
        _cleanup_strv_ char **details = NULL, **labels = NULL, **groups = NULL;

        CHECK(oci_details_labels(NULL, &labels) == -ENOENT);
        CHECK(oci_details_add(&details, OCI_DOCKER_CONFIG, config, strlen(config), NULL) >= 0);
        CHECK(oci_details_add(&details, OCI_DOCKER_HOST, host, strlen(host), NULL) >= 0);
        CHECK(is_text(oci_details_find(details, "Image"), "\"sha256:1\""));
        CHECK(is_text(oci_details_find(details, "State.Health"), "{\"Status\":\"healthy\"}"));
        CHECK(is_text(oci_details_find(details, "HostConfig"), host));
        CHECK(is_text(oci_details_find(details, "Managed"), "false"));
        /* Another kind of value is not the fact. */
        CHECK(!oci_details_find(details, "Path") && !oci_details_find(details, "MountPoints"));
        CHECK(!oci_details_find(details, "sha256:1") && !oci_details_find(NULL, "Image"));

        CHECK(oci_details_labels(details, &labels) == 0 && strv_length(labels) == 2);
        CHECK(is_text(labels[0], "a=b") && is_text(labels[1], "e="));

        CHECK(oci_docker_groups_parse(host, strlen(host), &groups, NULL) == 0 && strv_length(groups) == 2);
        CHECK(is_text(groups[0], "4242") && is_text(groups[1], "wheel"));
        CHECK(oci_docker_groups_parse("{\"GroupAdd\":[7]}", 16, &groups, NULL) == -EBADMSG);
}

static void test_replaced(void)
{
        static const char first[] = "{\"Status\":\"starting\"}", second[] = "{\"Status\":\"healthy\"}";
        _cleanup_strv_ char **details = NULL;

        CHECK(oci_details_add(&details, OCI_PODMAN_HEALTH, first, strlen(first), NULL) >= 0);
        CHECK(oci_details_add(&details, OCI_PODMAN_HEALTH, second, strlen(second), NULL) >= 0);
        CHECK(strv_length(details) == 2 && is_text(oci_details_find(details, "State.Health"), second));
        CHECK(oci_details_add(&details, OCI_PODMAN_HEALTH, "[]", 2, NULL) == -EBADMSG);
        CHECK(oci_details_add(&details, OCI_PODMAN_HEALTH, "{\"a\":\"\xff\"}", 9, NULL) >= 0);
        CHECK(is_text(oci_details_find(details, "State.Health"), "{\"a\":\"\xef\xbf\xbd\"}"));
}

#define PAGE 1024

static void put(uint8_t *at, uint64_t v, size_t size)
{
        memcpy(at, &v, size);
}

static void put_header(uint8_t *page, uint64_t id, uint16_t flags, uint16_t n)
{
        put(page, id, 8);
        put(page + 8, flags, 2);
        put(page + 10, n, 2);
}

/* Writes a leaf of one element after its header, and returns its size. */
static size_t put_leaf(uint8_t *page, bool is_bucket, const char *key, const uint8_t *value, size_t size)
{
        size_t n = strlen(key);

        put_header(page, 0, 0x02, 1);
        put(page + 16, is_bucket, 4);
        put(page + 20, 16, 4);
        put(page + 24, n, 4);
        put(page + 28, size, 4);
        memcpy(page + 32, key, n);
        memcpy(page + 32 + n, value, size);
        return 32 + n + size;
}

static void put_meta(uint8_t *page, uint64_t id, uint64_t root, uint64_t transaction)
{
        uint64_t h = UINT64_C(0xcbf29ce484222325);
        uint8_t *m = page + 16;

        put_header(page, id, 0x04, 0);
        put(m, 0xed0cdaed, 4);
        put(m + 4, 2, 4);
        put(m + 8, PAGE, 4);
        put(m + 16, root, 8);
        put(m + 40, 5, 8);
        put(m + 48, transaction, 8);
        for (size_t i = 0; i < 56; i++)
                h = (h ^ m[i]) * UINT64_C(0x100000001b3);
        put(m + 56, h, 8);
}

/* ctr / one / config = "VALUE", all of it in pages of the root's; the older transaction has an empty root.
 */
static void make_database(uint8_t db[static 4 * PAGE])
{
        uint8_t inner[PAGE] = {0}, outer[PAGE] = {0};
        size_t n;

        memset(db, 0, 4 * PAGE);
        put_meta(db, 0, 2, 7);
        put_meta(db + PAGE, 1, 3, 6);
        n = put_leaf(inner + 16, false, "config", (const uint8_t *) "VALUE", 5);
        n = put_leaf(outer + 16, true, "one", inner, 16 + n);
        put_leaf(db + 2 * PAGE, true, "ctr", outer, 16 + n);
        put_header(db + 3 * PAGE, 3, 0x02, 0);
}

static int find(const uint8_t *db, size_t size, const char *id, const char *key)
{
        const char *value;
        size_t n;
        int r = bolt_find(db, size, (const char *[]){"ctr", id, key, NULL}, &value, &n);

        return r < 0 ? r : n == 5 && memcmp(value, "VALUE", 5) == 0 ? 0 : 1;
}

static void test_bolt(void)
{
        uint8_t db[4 * PAGE], copy[4 * PAGE];
        uint64_t transaction = 0;

        make_database(db);
        CHECK(bolt_transaction(db, sizeof(db), &transaction) == 0 && transaction == 7);
        CHECK(find(db, sizeof(db), "one", "config") == 0);
        CHECK(find(db, sizeof(db), "two", "config") == -ENOENT &&
              find(db, sizeof(db), "o", "config") == -ENOENT);
        CHECK(find(db, sizeof(db), "one", "state") == -ENOENT);
        CHECK(bolt_transaction("", 0, &transaction) == -EBADMSG &&
              find(db, 100, "one", "config") == -EBADMSG);

        /* A first page that was not written whole leaves the older transaction. */
        db[16 + 20] ^= 1;
        CHECK(bolt_transaction(db, sizeof(db), &transaction) == 0 && transaction == 6);
        CHECK(find(db, sizeof(db), "one", "config") == -ENOENT);

        /* With any byte changed, nothing outside of the file is read, and no other value is made up. */
        make_database(db);
        for (size_t i = 2 * PAGE; i < 3 * PAGE; i++)
                for (unsigned bit = 0; bit < 8; bit++) {
                        memcpy(copy, db, sizeof(db));
                        copy[i] = (uint8_t) (copy[i] ^ 1U << bit);
                        (void) find(copy, sizeof(copy), "one", "config");
                }
}

int main(void)
{
        test_docker();
        test_replaced();
        test_bolt();
        return test_finish("oci-details");
}
