/* oh_shared: segments, their seals, their marks, ranges, and the want of descriptors and memory. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oh_shared.h"
#include "suite.h"

#define BYTES ((uint64_t)256 * 1024)

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert(oh_shared_is_supported());
}

static void teardown(void) {
    suite_allocations_left = SUITE_NO_LIMIT;
    oh_reaper_stop();
    ck_assert_uint_eq(oh_shared_count(), 0);
    ck_assert_int_eq(suite_blocks, 0);
}

START_TEST(a_segment_is_zero_and_a_file_of_its_size) {
    struct stat stat;
    oh_shared_t *shared = oh_shared_new(BYTES);
    ck_assert_ptr_nonnull(shared);
    ck_assert_uint_eq(oh_shared_count(), 1);
    ck_assert_int_eq(fstat(shared->fd, &stat), 0);
    ck_assert_uint_eq((uint64_t)stat.st_size, BYTES);
    ck_assert_uint_eq((uint64_t)stat.st_ino, shared->inode);
    ck_assert(fcntl(shared->fd, F_GETFD) & FD_CLOEXEC);
    for (uint64_t i = 0; i < BYTES; i++)
        ck_assert_int_eq(shared->data[i], 0);
    memset(shared->data, 'x', BYTES);
    char byte = 0;
    ck_assert_int_eq(pread(shared->fd, &byte, 1, (off_t)BYTES - 1), 1);
    ck_assert_int_eq(byte, 'x');
    oh_shared_free(shared);
}
END_TEST

START_TEST(nobody_can_change_its_size_or_seal_it_further) {
    oh_shared_t *shared = oh_shared_new(BYTES);
    ck_assert_int_eq(ftruncate(shared->fd, 0), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(ftruncate(shared->fd, (off_t)(2 * BYTES)), -1);
    ck_assert_int_eq(errno, EPERM);
    ck_assert_int_eq(fcntl(shared->fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
    ck_assert_int_eq(errno, EPERM);
    oh_shared_free(shared);
}
END_TEST

START_TEST(ids_are_never_the_same) {
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        oh_shared_t *shared = oh_shared_new(BYTES);
        ck_assert_uint_gt(shared->id, last);
        last = shared->id;
        oh_shared_free(shared);
    }
}
END_TEST

START_TEST(marks_stay) {
    oh_shared_t shared = {0};
    ck_assert(!oh_shared_is_exposed(&shared) && !oh_shared_is_late(&shared));
    oh_shared_mark_exposed(&shared);
    ck_assert(oh_shared_is_exposed(&shared) && !oh_shared_is_late(&shared));
    oh_shared_mark_late(&shared);
    ck_assert(oh_shared_is_exposed(&shared) && oh_shared_is_late(&shared));
    ck_assert(!oh_shared_is_exposed(NULL) && !oh_shared_is_late(NULL));
    oh_shared_free(NULL);
}
END_TEST

START_TEST(freed_pages_are_gone_for_who_still_maps_them) {
    oh_shared_t *shared = oh_shared_new(BYTES);
    memset(shared->data, 'x', BYTES);
    int fd = dup(shared->fd);
    struct stat stat;
    char *other = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    ck_assert_int_eq(other[BYTES - 1], 'x');
    oh_shared_free(shared);
    oh_reaper_stop(); /* runs what was pushed */
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert_int_eq(fstat(fd, &stat), 0);
    ck_assert_int_eq(stat.st_blocks, 0);
    ck_assert_int_eq(other[BYTES - 1], 0);
    other[0] = 'y'; /* a late write hurts nobody */
    munmap(other, BYTES);
    close(fd);
}
END_TEST

START_TEST(sizes_that_cannot_be_are_none) {
    ck_assert_ptr_null(oh_shared_new(0));
    ck_assert_ptr_null(oh_shared_new(OH_SHARED_BYTES_MAX + 1));
    ck_assert_ptr_null(oh_shared_new(UINT64_MAX));
}
END_TEST

START_TEST(without_memory_there_is_none_and_nothing_is_left) {
    suite_allocations_left = 0;
    ck_assert_ptr_null(oh_shared_new(BYTES));
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_uint_eq(oh_shared_count(), 0);
}
END_TEST

START_TEST(most_descriptors_are_left_to_others) {
    struct rlimit limit, few;
    oh_shared_t *shared[16];
    ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    few = limit;
    few.rlim_cur = 64;
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < 16; i++) {
        shared[i] = oh_shared_new(BYTES);
        ck_assert_ptr_nonnull(shared[i]);
    }
    ck_assert_ptr_null(oh_shared_new(BYTES));
    ck_assert_uint_eq(oh_shared_count(), 16);
    ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    for (int i = 0; i < 16; i++)
        oh_shared_free(shared[i]);
}
END_TEST

START_TEST(one_larger_than_files_may_be_is_none_and_no_signal) {
    struct rlimit limit, small;
    ck_assert_int_eq(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = limit;
    small.rlim_cur = BYTES - 1;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
    ck_assert_ptr_null(oh_shared_new(BYTES));
    ck_assert_uint_eq(oh_shared_count(), 0);
    oh_shared_t *shared = oh_shared_new(BYTES / 2);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_ptr_nonnull(shared);
    oh_shared_free(shared);
}
END_TEST

START_TEST(a_range_lies_in_its_segment) {
    const struct {
        uint64_t fd, bytes, offset, length;
        bool valid;
    } cases[] = {
        {3, BYTES, 0, 0, true},
        {3, BYTES, 0, BYTES, true},
        {3, BYTES, BYTES, 0, true},
        {3, BYTES, 1, BYTES - 1, true},
        {INT32_MAX, OH_SHARED_BYTES_MAX, 0, OH_SHARED_BYTES_MAX, true},
        {3, BYTES, 1, BYTES, false},
        {3, BYTES, BYTES + 1, 0, false},
        {3, BYTES, UINT64_MAX, 2, false},
        {3, BYTES, 2, UINT64_MAX, false},
        {3, 0, 0, 0, false},
        {3, OH_SHARED_BYTES_MAX + 1, 0, 0, false},
        {(uint64_t)INT32_MAX + 1, BYTES, 0, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        oh_shared_range_t range = {.fd = cases[i].fd,
                                   .bytes = cases[i].bytes,
                                   .offset = cases[i].offset,
                                   .length = cases[i].length};
        ck_assert_msg(oh_shared_range_valid(&range) == cases[i].valid, "case %zu", i);
    }
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_shared");
    TCase *tcase = tcase_create("shared");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, a_segment_is_zero_and_a_file_of_its_size);
    tcase_add_test(tcase, nobody_can_change_its_size_or_seal_it_further);
    tcase_add_test(tcase, ids_are_never_the_same);
    tcase_add_test(tcase, marks_stay);
    tcase_add_test(tcase, freed_pages_are_gone_for_who_still_maps_them);
    tcase_add_test(tcase, sizes_that_cannot_be_are_none);
    tcase_add_test(tcase, without_memory_there_is_none_and_nothing_is_left);
    tcase_add_test(tcase, most_descriptors_are_left_to_others);
    tcase_add_test(tcase, one_larger_than_files_may_be_is_none_and_no_signal);
    tcase_add_test(tcase, a_range_lies_in_its_segment);
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
