/* SPDX-License-Identifier: LGPL-2.1-or-later */

/*
 * Replaces libFuzzer: plays the files of the directories that are named to the target, each whole and
 * cut off after each of its bytes, so that what was found once stays found with any compiler.
 */

#include <dirent.h>
#include <fcntl.h>

#include "base/fd.h"
#include "fuzz/fuzz.h"

#define FILE_MAX     (1024 * 1024)
#define PREFIXES_MAX 4096 /* of larger files, only so many starts are played, evenly spread */

static size_t n_inputs;

static void play(const char *data, size_t size)
{
        /* A copy of just this size, as libFuzzer makes one. */
        _cleanup_free_ uint8_t *copy = malloc(size);

        if (size > 0)
                memcpy(copy, data, size);
        if (LLVMFuzzerTestOneInput(copy, size) != 0)
                exit(1);
        n_inputs++;
}

static int play_file(int directory, const char *name)
{
        _cleanup_free_ char *data = NULL;
        size_t size, step;
        int r;

        r = file_read_at(directory, name, FILE_MAX, &data, &size);
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", name, strerror(-r));
                return r;
        }
        play(data, size);
        step = size / PREFIXES_MAX + 1;
        for (size_t n = 0; n < size; n += step)
                play(data, n);
        return 0;
}

static int play_directory(const char *path)
{
        DIR *directory = opendir(path);
        struct dirent *entry;
        int r = 0;

        if (!directory) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                return -errno;
        }
        while (r >= 0 && (entry = readdir(directory)))
                if (entry->d_name[0] != '.')
                        r = play_file(dirfd(directory), entry->d_name);
        closedir(directory);
        return r;
}

int main(int argc, char **argv)
{
        for (int i = 1; i < argc; i++)
                if (play_directory(argv[i]) < 0)
                        return 1;
        printf("%zu inputs\n", n_inputs);
        return n_inputs == 0;
}
