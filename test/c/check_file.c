/* oh_file: what can be opened, what is read where, and closing under a reader. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oh_file.h"
#include "suite.h"

enum { BYTES = 100000 };

static char path[] = "check_file_XXXXXX";
static char content[BYTES];
static oh_file_t file;
static int error_number;

static void setup(void) {
    int fd = mkstemp(path);
    ck_assert_int_ge(fd, 0);
    for (int i = 0; i < BYTES; i++)
        content[i] = (char)(i * 31 + i / 251);
    ck_assert_int_eq(write(fd, content, BYTES), BYTES);
    close(fd);
    oh_file_init(&file);
}

static void teardown(void) {
    oh_file_close(&file);
    unlink(path);
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
}

START_TEST(only_regular_files_open) {
    ck_assert_int_eq(oh_file_open(&file, "no/such/file", &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, ENOENT);
    ck_assert_int_eq(oh_file_open(&file, ".", &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EISDIR);
    ck_assert_int_eq(oh_file_open(&file, "/dev/null", &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EINVAL);
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    ck_assert_int_eq(oh_file_open(&file, path, &error_number), OH_ERRNO); /* does not block */
    ck_assert_int_eq(error_number, EINVAL);
    ck_assert_int_eq(oh_file_enter(&file), OH_CLOSED);
    ck_assert_int_eq(oh_file_close(&file), OH_CLOSED);
}
END_TEST

START_TEST(reads_are_whole_up_to_the_end) {
    static const uint64_t offsets[] = {0, 1, 4095, 4096, 65536, BYTES - 1, BYTES, BYTES + 1};
    static const uint64_t lengths[] = {0, 1, 511, 4096, BYTES, BYTES + 1};
    static char bytes[BYTES + 1];
    ck_assert_int_eq(oh_file_open(&file, path, &error_number), OH_OK);
    ck_assert_int_eq(oh_file_enter(&file), OH_OK);
    for (size_t o = 0; o < sizeof offsets / sizeof offsets[0]; o++)
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
            for (int nowait = 0; nowait < 2; nowait++) {
                uint64_t count;
                uint64_t left = offsets[o] < BYTES ? BYTES - offsets[o] : 0;
                uint64_t expected = lengths[l] < left ? lengths[l] : left;
                oh_status_t status = oh_file_read(&file, offsets[o], bytes, lengths[l], nowait,
                                                  &count, &error_number);
                if (nowait && status == OH_BUSY)
                    continue; /* a file system that cannot tell */
                ck_assert_int_eq(status, OH_OK);
                ck_assert_uint_eq(count, expected);
                ck_assert(count == 0 || memcmp(bytes, content + offsets[o], count) == 0);
            }
    uint64_t size;
    ck_assert_int_eq(oh_file_size(&file, &size, &error_number), OH_OK);
    ck_assert_uint_eq(size, BYTES);
    oh_file_leave(&file);
}
END_TEST

START_TEST(offsets_beyond_what_files_have_are_einval) {
    uint64_t count;
    char byte;
    ck_assert_int_eq(oh_file_open(&file, path, &error_number), OH_OK);
    ck_assert_int_eq(oh_file_read(&file, UINT64_MAX, &byte, 1, false, &count, &error_number),
                     OH_ERRNO);
    ck_assert_int_eq(error_number, EINVAL);
    ck_assert_int_eq(oh_file_read(&file, INT64_MAX, &byte, 1, false, &count, &error_number),
                     OH_ERRNO);
    ck_assert_int_eq(error_number, EINVAL);
}
END_TEST

START_TEST(closing_waits_for_the_last_reader) {
    char byte;
    uint64_t count;
    ck_assert_int_eq(oh_file_open(&file, path, &error_number), OH_OK);
    int fd = file.fd;
    ck_assert_int_eq(oh_file_enter(&file), OH_OK);
    ck_assert_int_eq(oh_file_enter(&file), OH_OK);
    ck_assert_int_eq(oh_file_close(&file), OH_OK);
    ck_assert_int_eq(oh_file_close(&file), OH_CLOSED);
    ck_assert_int_eq(oh_file_enter(&file), OH_CLOSED);
    oh_file_leave(&file);
    ck_assert_int_eq(oh_file_read(&file, 5, &byte, 1, false, &count, &error_number), OH_OK);
    ck_assert_int_eq(byte, content[5]);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    oh_file_leave(&file);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, only_regular_files_open);
    tcase_add_test(tcase, reads_are_whole_up_to_the_end);
    tcase_add_test(tcase, offsets_beyond_what_files_have_are_einval);
    tcase_add_test(tcase, closing_waits_for_the_last_reader);
    Suite *suite = suite_create("oh_file");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
