/* oh_view: segments mapped by who was told of them; what is not so is refused; nothing is writable
 * after the use. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "oh_view.h"
#include "suite.h"

#define BYTES  ((uint64_t)64 * 1024)
#define NO_CAP UINT64_MAX

static oh_views_t views;

static void setup(void) {
    suite_use_allocator();
    ck_assert_int_eq(oh_reaper_start(), OH_OK);
    ck_assert_int_eq(oh_views_init(&views, "/proc/self/fd", NO_CAP), OH_OK);
}

static void teardown(void) {
    ck_assert(oh_views_close(&views));
    oh_views_free(&views);
    ck_assert(oh_views_valid(&views));
    ck_assert_uint_eq(views.bytes, 0);
    oh_reaper_stop();
    ck_assert_uint_eq(oh_shared_count(), 0);
}

static oh_shared_range_t whole(const oh_shared_t *shared) {
    return (oh_shared_range_t){.fd = (uint64_t)shared->fd,
                               .inode = shared->inode,
                               .id = shared->id,
                               .bytes = shared->bytes,
                               .offset = 0,
                               .length = shared->bytes};
}

static uint8_t *open_view(const oh_shared_range_t *range, bool writing) {
    uint8_t *data = NULL;
    ck_assert_int_eq(oh_views_open(&views, range, writing, &data), OH_OK);
    ck_assert(oh_views_valid(&views));
    return data;
}

static oh_status_t refused(oh_shared_range_t range) {
    uint8_t *data = NULL;
    oh_status_t status = oh_views_open(&views, &range, true, &data);
    ck_assert_ptr_null(data);
    ck_assert(oh_views_valid(&views));
    return status;
}

static void close_views(void) {
    ck_assert(oh_views_close(&views));
    ck_assert(oh_views_valid(&views));
}

static int descriptors(void) {
    int count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(both_sides_see_the_same_bytes) {
    oh_shared_t *shared = oh_shared_new(BYTES);
    oh_shared_range_t range = whole(shared);
    range.offset = 100;
    range.length = 1000;
    int before = descriptors();
    uint8_t *in = open_view(&range, false);
    uint8_t *out = open_view(&range, true);
    ck_assert_ptr_ne(in, out);
    memcpy(shared->data + 100, "there", 5);
    ck_assert_mem_eq(in, "there", 5);
    memcpy(out, "back!", 5);
    ck_assert_mem_eq(shared->data + 100, "back!", 5);
    close_views();
    ck_assert_int_eq(descriptors(), before);
    oh_shared_free(shared);
}
END_TEST

START_TEST(views_stay_mapped_from_use_to_use) {
    oh_shared_t *shared = oh_shared_new(BYTES);
    oh_shared_range_t range = whole(shared);
    uint8_t *first = open_view(&range, true);
    close_views();
    for (int i = 0; i < 100; i++) {
        uint8_t *again = open_view(&range, true);
        ck_assert_ptr_eq(again, first);
        again[i] = (uint8_t)i;
        ck_assert_uint_eq(views.bytes, BYTES);
        close_views();
    }
    oh_shared_free(shared);
}
END_TEST

START_TEST(the_writable_part_grows_within_one_use) {
    oh_shared_t *shared = oh_shared_new(BYTES);
    oh_shared_range_t range = whole(shared);
    range.offset = 3 * 4096;
    range.length = 10;
    open_view(&range, true)[9] = 1;
    range.offset = 9 * 4096 + 17;
    open_view(&range, true)[9] = 2;
    range.offset = 4096;
    range.length = 0;
    open_view(&range, true);
    ck_assert_int_eq(shared->data[3 * 4096 + 9], 1);
    ck_assert_int_eq(shared->data[9 * 4096 + 26], 2);
    close_views();
    oh_shared_free(shared);
}
END_TEST

static oh_shared_t *sealed; /* for tests that die */

static uint8_t *view_of_sealed(bool writing) {
    sealed = oh_shared_new(BYTES);
    oh_shared_range_t range = whole(sealed);
    return open_view(&range, writing);
}

START_TEST(who_writes_after_the_use_dies) {
    uint8_t *data = view_of_sealed(true);
    data[0] = 1;
    close_views();
    data[0] = 2;
}
END_TEST

START_TEST(who_writes_what_is_for_reading_dies) {
    uint8_t *data = view_of_sealed(false);
    data[0] = 1;
}
END_TEST

START_TEST(what_was_said_must_be_true) {
    oh_shared_t *shared = oh_shared_new(BYTES);
    oh_shared_range_t range = whole(shared), wrong = range;
    wrong.inode++;
    ck_assert_int_eq(refused(wrong), OH_NOT_FOUND);
    wrong = range;
    wrong.bytes -= 4096;
    wrong.length = 1;
    ck_assert_int_eq(refused(wrong), OH_NOT_FOUND);
    wrong = range;
    wrong.fd = 999999;
    ck_assert_int_eq(refused(wrong), OH_NOT_FOUND);
    wrong = range;
    wrong.offset = 1;
    ck_assert_int_eq(refused(wrong), OH_BADARG);
    /* The id of a known segment with another size, and with another segment's inode. */
    open_view(&range, true);
    wrong = range;
    wrong.bytes *= 2;
    ck_assert_int_eq(refused(wrong), OH_NOT_FOUND);
    oh_shared_t *other = oh_shared_new(BYTES);
    wrong = whole(other);
    wrong.id = shared->id;
    ck_assert_int_eq(refused(wrong), OH_NOT_FOUND);
    oh_shared_free(other);
    oh_shared_free(shared);
}
END_TEST

/* A range that describes any file truly. */
static oh_shared_range_t of_file(int fd) {
    struct stat stat;
    ck_assert_int_eq(fstat(fd, &stat), 0);
    return (oh_shared_range_t){.fd = (uint64_t)fd,
                               .inode = (uint64_t)stat.st_ino,
                               .id = 7,
                               .bytes = stat.st_size == 0 ? BYTES : (uint64_t)stat.st_size,
                               .length = 1};
}

START_TEST(other_files_are_refused) {
    int ends[2], memory = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    FILE *file = tmpfile();
    ck_assert_int_eq(pipe(ends), 0);
    ck_assert_int_eq(ftruncate(memory, (off_t)BYTES), 0);
    ck_assert_int_eq(ftruncate(fileno(file), (off_t)BYTES), 0);
    ck_assert_int_eq(refused(of_file(memory)), OH_NOT_FOUND);
    ck_assert_int_eq(refused(of_file(fileno(file))), OH_NOT_FOUND);
    ck_assert_int_eq(refused(of_file(ends[0])), OH_NOT_FOUND);
    ck_assert_int_eq(refused(of_file(ends[1])), OH_NOT_FOUND);
    ck_assert_int_eq(refused(of_file(0)), OH_NOT_FOUND);
    close(memory);
    close(ends[0]);
    close(ends[1]);
    fclose(file);
}
END_TEST

START_TEST(the_oldest_views_go_when_there_are_many) {
    oh_shared_t *shared[2 * OH_VIEWS_MAX];
    for (int i = 0; i < 2 * OH_VIEWS_MAX; i++) {
        shared[i] = oh_shared_new(BYTES);
        oh_shared_range_t range = whole(shared[i]);
        open_view(&range, true)[0] = (uint8_t)i;
        close_views();
    }
    ck_assert_uint_eq(views.bytes, OH_VIEWS_MAX * BYTES);
    for (int i = 0; i < 2 * OH_VIEWS_MAX; i++) {
        ck_assert_int_eq(shared[i]->data[0], i);
        oh_shared_free(shared[i]);
    }
}
END_TEST

START_TEST(those_in_use_stay_and_then_there_is_a_limit) {
    oh_shared_t *shared[OH_VIEWS_MAX + 1];
    uint8_t *data;
    for (int i = 0; i <= OH_VIEWS_MAX; i++) {
        shared[i] = oh_shared_new(BYTES);
        oh_shared_range_t range = whole(shared[i]);
        ck_assert_int_eq(oh_views_open(&views, &range, false, &data),
                         i < OH_VIEWS_MAX ? OH_OK : OH_LIMIT);
    }
    close_views();
    oh_shared_range_t range = whole(shared[OH_VIEWS_MAX]);
    open_view(&range, false);
    for (int i = 0; i <= OH_VIEWS_MAX; i++)
        oh_shared_free(shared[i]);
}
END_TEST

START_TEST(no_more_bytes_are_kept_than_may_be) {
    oh_shared_t *shared[4];
    ck_assert_int_eq(oh_views_init(&views, "/proc/self/fd", 2 * BYTES), OH_OK);
    for (int i = 0; i < 4; i++) {
        shared[i] = oh_shared_new(BYTES);
        oh_shared_range_t range = whole(shared[i]);
        open_view(&range, i & 1);
    }
    ck_assert_uint_eq(views.bytes, 4 * BYTES);
    close_views();
    ck_assert_uint_eq(views.bytes, 2 * BYTES);
    for (int i = 0; i < 4; i++)
        oh_shared_free(shared[i]);
}
END_TEST

START_TEST(without_room_to_map_others_are_given_up_first) {
    struct rlimit limit, tight;
    uint64_t bytes = (uint64_t)256 << 20;
    oh_shared_t *first = oh_shared_new(bytes), *second = oh_shared_new(bytes);
    oh_shared_range_t a = whole(first), b = whole(second);
    uint8_t *data;
    open_view(&a, false);
    close_views();
    /* Room for none besides those that are mapped. */
    FILE *statm = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    ck_assert_int_eq(fscanf(statm, "%lu", &pages), 1);
    fclose(statm);
    ck_assert_int_eq(getrlimit(RLIMIT_AS, &limit), 0);
    tight = limit;
    tight.rlim_cur = (rlim_t)pages * 4096 + bytes / 2;
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &tight), 0);
    open_view(&b, false);
    ck_assert_uint_eq(views.bytes, bytes);
    ck_assert_int_eq(oh_views_open(&views, &a, false, &data), OH_ENOMEM);
    ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
    oh_shared_free(first);
    oh_shared_free(second);
}
END_TEST

START_TEST(a_folder_has_a_short_name) {
    char name[100];
    memset(name, 'x', sizeof name);
    name[99] = '\0';
    ck_assert_int_eq(oh_views_init(&views, name, NO_CAP), OH_BADARG);
    ck_assert_int_eq(oh_views_init(&views, "/no/such/folder", NO_CAP), OH_OK);
    oh_shared_t *shared = oh_shared_new(BYTES);
    ck_assert_int_eq(refused(whole(shared)), OH_NOT_FOUND);
    oh_shared_free(shared);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("oh_view");
    TCase *tcase = tcase_create("view"), *fatal = tcase_create("fatal");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, both_sides_see_the_same_bytes);
    tcase_add_test(tcase, views_stay_mapped_from_use_to_use);
    tcase_add_test(tcase, the_writable_part_grows_within_one_use);
    tcase_add_test(tcase, what_was_said_must_be_true);
    tcase_add_test(tcase, other_files_are_refused);
    tcase_add_test(tcase, the_oldest_views_go_when_there_are_many);
    tcase_add_test(tcase, those_in_use_stay_and_then_there_is_a_limit);
    tcase_add_test(tcase, no_more_bytes_are_kept_than_may_be);
#if !defined(__SANITIZE_ADDRESS__)
    /* A sanitizer has an address space of its own kind, and makes a signal an exit. */
    tcase_add_test(tcase, without_room_to_map_others_are_given_up_first);
    tcase_add_checked_fixture(fatal, setup, teardown);
    tcase_add_test_raise_signal(fatal, who_writes_after_the_use_dies, SIGSEGV);
    tcase_add_test_raise_signal(fatal, who_writes_what_is_for_reading_dies, SIGSEGV);
#else
    (void)who_writes_after_the_use_dies;
    (void)who_writes_what_is_for_reading_dies;
    (void)without_room_to_map_others_are_given_up_first;
#endif
    tcase_add_test(tcase, a_folder_has_a_short_name);
    suite_add_tcase(suite, tcase);
    suite_add_tcase(suite, fatal);
    return suite_run(suite);
}
