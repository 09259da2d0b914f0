/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "core/stream-map.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/cleanup.h"

static size_t map_size(uint64_t ring_size)
{
        return sizeof(StreamMap) + (size_t) ring_size;
}

int stream_map_new(size_t ring_size, StreamMap **ret, int *ret_fd)
{
        _cleanup_close_ int fd = memfd_create("execd-stream", MFD_CLOEXEC);
        StreamMap *m = MAP_FAILED;

        if (fd >= 0 && ftruncate(fd, (off_t) map_size(ring_size)) >= 0)
                m = mmap(NULL, map_size(ring_size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (m == MAP_FAILED) {
                fd = fd_close(fd);
                m = mmap(NULL, map_size(ring_size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                         0);
        }
        if (m == MAP_FAILED)
                return -ENOMEM;
        memcpy(m->magic, STREAM_MAP_MAGIC, sizeof(m->magic));
        m->ring_size = ring_size;
        *ret = m;
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int stream_map_open(int fd, StreamMap **ret)
{
        struct stat st;
        StreamMap *m;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode) || st.st_size < (off_t) map_size(OUTPUT_RING_SMALL) ||
            st.st_size > (off_t) map_size(STREAM_MAP_RING_MAX))
                return -EBADMSG;
        m = mmap(NULL, (size_t) st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (m == MAP_FAILED)
                return -errno;
        if (memcmp(m->magic, STREAM_MAP_MAGIC, sizeof(m->magic)) != 0 ||
            m->ring_size != (uint64_t) st.st_size - sizeof(StreamMap)) {
                (void) munmap(m, (size_t) st.st_size);
                return -EBADMSG;
        }
        *ret = m;
        return 0;
}

StreamMap *stream_map_free(StreamMap *m)
{
        if (m)
                (void) munmap(m, map_size(m->ring_size));
        return NULL;
}

static uint64_t mix(uint64_t x)
{
        x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
        return x ^ x >> 31;
}

/* Bytes that no command can foresee. */
static void nonce_make(uint8_t nonce[static STREAM_MAP_NONCE_SIZE])
{
        static uint64_t seed, n;
        uint64_t words[2];

        if (seed == 0 && getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
                seed = (uint64_t) (uintptr_t) nonce;
        words[0] = mix(seed ^ mix(++n));
        words[1] = mix(words[0] + seed);
        memcpy(nonce, words, STREAM_MAP_NONCE_SIZE);
}

/* The last bytes of the pieces, first to last. */
static uint8_t *tail_byte(const struct iovec *iov, int n_iov, size_t size, size_t i)
{
        size_t first = n_iov > 1 ? MIN(iov[0].iov_len, size) : size,
               at = size - MIN(size, (size_t) STREAM_MAP_NONCE_SIZE) + i;

        return at < first ? (uint8_t *) iov[0].iov_base + at : (uint8_t *) iov[1].iov_base + (at - first);
}

void stream_map_announce(StreamMap *m, uint64_t position, FrameType type, const struct iovec *iov, int n_iov,
                         size_t size, size_t available)
{
        ReadIntent *r = &m->reading;

        /* Without its size, an announcement does not count. */
        stream_map_store32(&r->size, 0);
        r->position = position;
        r->available = available;
        r->type = type;
        nonce_make(r->nonce);
        for (size_t i = 0; i < MIN(size, sizeof(r->nonce)); i++)
                *tail_byte(iov, n_iov, size, i) = r->nonce[i];
        stream_map_store32(&r->size, (uint32_t) size);
}

bool stream_map_was_read(const StreamMap *m, const struct iovec *iov, int n_iov, size_t available)
{
        const ReadIntent *r = &m->reading;

        for (size_t i = 0; i < MIN((size_t) r->size, sizeof(r->nonce)); i++)
                if (*tail_byte(iov, n_iov, r->size, i) != r->nonce[i])
                        return true;
        /* Few bytes can be the nonce by chance. */
        return available < r->available;
}
