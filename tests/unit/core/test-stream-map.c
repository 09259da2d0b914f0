/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* core/stream-map: whether a read that was announced was done shows in the bytes; and a map that was damaged
 * is none. */

#include "core/stream-map.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/need.h"
#include "unit/test.h"

#define RING_SIZE (64 * 1024)

/* Pieces of these sizes, as at the end of the ring. */
static int pieces(StreamMap *m, size_t first, size_t second, struct iovec iov[static 2])
{
        iov[0] = (struct iovec){m->ring + RING_SIZE - first, first};
        iov[1] = (struct iovec){m->ring, second};
        return second > 0 ? 2 : 1;
}

static void fill(const struct iovec *iov, int n_iov, size_t size, char byte)
{
        for (int i = 0; i < n_iov && size > 0; i++) {
                size_t n = MIN(iov[i].iov_len, size);

                memset(iov[i].iov_base, byte, n);
                size -= n;
        }
}

/* The process is killed before read(2), or after it and before it knows. */
static void test_announced(void)
{
        static const struct {
                size_t first, second;
        } rows[] = {{4096, 0}, {1, 0}, {15, 0}, {16, 0},   {17, 0},
                    {1, 1},    {8, 8}, {3, 30}, {4090, 6}, {1, 4095}};
        StreamMap *m;
        int fd;

        NEED(stream_map_new(RING_SIZE, &m, &fd) >= 0 && fd >= 0);
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                size_t size = rows[i].first + rows[i].second;
                struct iovec iov[2];
                int n = pieces(m, rows[i].first, rows[i].second, iov);
                char row[32];

                snprintf(row, sizeof(row), "%zu+%zu", rows[i].first, rows[i].second);
                for (int k = 0; k < 2; k++) {
                        char byte = k == 0 ? 0 : 'x';

                        fill(iov, n, size, byte);
                        stream_map_announce(m, 5, FRAME_STDERR, iov, n, size, size);
                        CHECK_ROW(row, m->reading.size == size && m->reading.position == 5 &&
                                               m->reading.type == FRAME_STDERR);
                        CHECK_ROW(row, !stream_map_was_read(m, iov, n, size));
                        /* Less is waiting than there was: some of it was taken. */
                        CHECK_ROW(row, stream_map_was_read(m, iov, n, size - 1));
                        /* Read, and the command has written as much again. */
                        fill(iov, n, size, byte);
                        CHECK_ROW(row, size < 4 || stream_map_was_read(m, iov, n, size));
                }
        }
        stream_map_free(m);
        close(fd);
}

/* A command that knew the bytes could make execd lose its output. */
static void test_not_foreseen(void)
{
        uint8_t before[STREAM_MAP_NONCE_SIZE] = {0};
        struct iovec iov[2];
        StreamMap *m;
        int fd, n;

        NEED(stream_map_new(RING_SIZE, &m, &fd) >= 0);
        n = pieces(m, 100, 0, iov);
        for (int i = 0; i < 1000; i++) {
                stream_map_announce(m, 0, FRAME_STDOUT, iov, n, 100, 100);
                CHECK(memcmp(before, m->reading.nonce, sizeof(before)) != 0);
                CHECK(memcmp(m->ring + RING_SIZE - 16, m->reading.nonce, 16) == 0);
                memcpy(before, m->reading.nonce, sizeof(before));
        }
        stream_map_free(m);
        close(fd);
}

static void test_open(void)
{
        StreamMap *m, *again;
        int fd, pipes[2];

        NEED(stream_map_new(RING_SIZE, &m, &fd) >= 0);
        m->observed = 77;
        NEED(stream_map_open(fd, &again) >= 0);
        CHECK(again->observed == 77 && again->ring_size == RING_SIZE);
        stream_map_free(again);
        /* The size of what is mapped is the file's, whatever the file says. */
        m->ring_size = RING_SIZE * 2;
        CHECK(stream_map_open(fd, &again) == -EBADMSG);
        m->ring_size = RING_SIZE;
        m->magic[6] ^= 1;
        CHECK(stream_map_open(fd, &again) == -EBADMSG);
        m->magic[6] ^= 1;
        NEED(ftruncate(fd, sizeof(StreamMap) + 100) == 0);
        CHECK(stream_map_open(fd, &again) == -EBADMSG);
        NEED(ftruncate(fd, 0) == 0);
        CHECK(stream_map_open(fd, &again) == -EBADMSG);
        NEED(ftruncate(fd, (off_t) sizeof(StreamMap) + STREAM_MAP_RING_MAX + 1) == 0);
        CHECK(stream_map_open(fd, &again) == -EBADMSG);
        NEED(pipe(pipes) == 0);
        CHECK(stream_map_open(pipes[0], &again) == -EBADMSG);
        CHECK(stream_map_open(-1, &again) == -EBADF);
        NEED(ftruncate(fd, sizeof(StreamMap) + RING_SIZE) == 0);
        stream_map_free(m);
        close(fd);
        close(pipes[0]);
        close(pipes[1]);
}

int main(void)
{
        test_announced();
        test_not_foreseen();
        test_open();
        return test_finish("stream-map");
}
