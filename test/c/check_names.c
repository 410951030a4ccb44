/* oh_names: names taken, given back, changed; what is held stays; memory that is not there. */
#include "oh_names.h"
#include "suite.h"

typedef struct {
    oh_named_t named;
    bool released;
} object_t;

static long released;

static void release(oh_named_t *named) {
    object_t *object = OH_CONTAINER_OF(named, object_t, named);
    ck_assert(!object->released);
    object->released = true;
    released++;
}

static void setup(void) {
    suite_use_allocator();
    released = 0;
    ck_assert_int_eq(oh_epoch_attach(NULL), OH_OK);
    ck_assert_int_eq(oh_names_attach(NULL), OH_OK);
}

static void teardown(void) {
    ck_assert(oh_names_valid());
    oh_names_destroy(release);
    oh_epoch_destroy();
    ck_assert_int_eq(suite_blocks, 0);
}

static void insert(oh_word_t name, object_t *object) {
    ck_assert_int_eq(oh_names_insert(name, &object->named), OH_OK);
    ck_assert(oh_names_valid());
}

static bool has(oh_word_t name, const object_t *object) {
    return oh_names_find(name) == &object->named && oh_names_find(name) == &object->named;
}

/* As a thread that looks up others: it holds nothing any more of what it held. */
static void let_go(void) {
    _Atomic(void *) nothing = NULL;
    for (uint32_t place = 0; place < OH_EPOCH_HOLDS; place++)
        oh_epoch_hold(&nothing, place);
}

START_TEST(a_name_finds_its_object_and_no_other_name_does) {
    static object_t a, b;
    ck_assert_ptr_null(oh_names_find(10));
    insert(10, &a);
    insert(20, &b);
    ck_assert(has(10, &a) && has(20, &b) && has(10, &a));
    ck_assert_ptr_null(oh_names_find(30));
    ck_assert_ptr_null(oh_names_find(UINT64_MAX));
}
END_TEST

START_TEST(a_taken_name_is_refused_and_free_again_once_removed) {
    static object_t a, b;
    insert(10, &a);
    ck_assert_int_eq(oh_names_insert(10, &b.named), OH_EXISTS);
    ck_assert(has(10, &a));
    ck_assert(oh_names_remove(&a.named));
    ck_assert_ptr_null(oh_names_find(10));
    ck_assert(!oh_names_remove(&a.named));
    insert(10, &b);
    ck_assert(has(10, &b));
    ck_assert(!oh_names_remove(&(object_t){0}.named));
}
END_TEST

START_TEST(what_is_held_is_not_released) {
    static object_t a, b;
    insert(10, &a);
    insert(20, &b);
    ck_assert(has(10, &a));
    oh_names_remove(&a.named);
    oh_names_remove(&b.named);
    oh_names_sweep(release);
    ck_assert(!a.released && b.released);
    oh_names_sweep(release);
    ck_assert(!a.released);
    let_go();
    oh_names_sweep(release);
    ck_assert(a.released);
    ck_assert_int_eq(released, 2);
}
END_TEST

START_TEST(a_sweep_gets_past_what_is_held) {
    enum { COUNT = 100 };
    static object_t object[COUNT];
    for (oh_word_t i = 0; i < COUNT; i++)
        insert(i + 1, &object[i]);
    ck_assert(has(1, &object[0]));
    for (int i = 0; i < COUNT; i++)
        oh_names_remove(&object[i].named);
    for (int i = 0; i < COUNT / 10; i++)
        oh_names_sweep(release);
    ck_assert_int_eq(released, COUNT - 1);
    ck_assert(!object[0].released);
}
END_TEST

START_TEST(what_still_leaves_is_released_at_the_end) {
    static object_t a;
    insert(10, &a);
    ck_assert(has(10, &a));
    oh_names_remove(&a.named);
    oh_names_destroy(release);
    ck_assert(a.released);
    ck_assert_int_eq(oh_names_attach(NULL), OH_OK);
}
END_TEST

START_TEST(rename_moves_the_object) {
    static object_t a, b, unnamed;
    insert(10, &a);
    insert(20, &b);
    ck_assert(has(10, &a));
    ck_assert_int_eq(oh_names_rename(&a.named, 20), OH_EXISTS);
    ck_assert_int_eq(oh_names_rename(&a.named, 10), OH_EXISTS);
    ck_assert_int_eq(oh_names_rename(&unnamed.named, 30), OH_NOT_FOUND);
    ck_assert(has(10, &a));
    ck_assert_int_eq(oh_names_rename(&a.named, 30), OH_OK);
    ck_assert_ptr_null(oh_names_find(10));
    ck_assert(has(30, &a));
    ck_assert_int_eq(oh_names_rename(&a.named, 10), OH_OK);
    ck_assert(has(10, &a));
    ck_assert_ptr_null(oh_names_find(30));
    oh_names_remove(&a.named);
    ck_assert_int_eq(oh_names_rename(&a.named, 40), OH_NOT_FOUND);
}
END_TEST

START_TEST(the_list_has_each_name_in_use_once) {
    enum { COUNT = 1000 };
    static object_t object[COUNT];
    for (oh_word_t i = 0; i < COUNT; i++)
        insert(i + 1, &object[i]);
    for (int i = 0; i < COUNT; i += 3)
        oh_names_remove(&object[i].named);
    bool seen[COUNT] = {false};
    uint32_t position = 0, n, total = 0;
    do {
        oh_word_t names[70];
        n = oh_names_list(&position, names, 70);
        for (uint32_t i = 0; i < n; i++, total++) {
            ck_assert(!seen[names[i] - 1]);
            seen[names[i] - 1] = true;
        }
    } while (n == 70);
    for (int i = 0; i < COUNT; i++)
        ck_assert_int_eq(seen[i], i % 3 != 0);
    ck_assert_uint_eq(total, COUNT - (COUNT + 2) / 3);
    for (oh_word_t i = 0; i < COUNT; i++)
        ck_assert_ptr_eq(oh_names_find(i + 1), i % 3 == 0 ? NULL : &object[i].named);
}
END_TEST

START_TEST(without_memory_nothing_changes) {
    static object_t object[200];
    for (oh_word_t i = 0; i < 200; i++) {
        for (long left = 0;; left++) {
            suite_allocations_left = left;
            oh_status_t status = oh_names_insert(i + 1, &object[i].named);
            suite_allocations_left = SUITE_NO_LIMIT;
            ck_assert(oh_names_valid());
            if (status == OH_OK)
                break;
            ck_assert_int_eq(status, OH_ENOMEM);
            ck_assert_ptr_null(oh_names_find(i + 1));
            ck_assert_int_lt(left, 5);
        }
        ck_assert(has(i + 1, &object[i]));
    }
    oh_names_destroy(release);
    suite_allocations_left = 0;
    ck_assert_int_eq(oh_names_attach(NULL), OH_ENOMEM);
    suite_allocations_left = 1;
    ck_assert_int_eq(oh_names_attach(NULL), OH_ENOMEM);
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert_int_eq(oh_names_attach(NULL), OH_OK);
    oh_names_t *same = oh_names;
    ck_assert_int_eq(oh_names_attach(same), OH_OK);
    ck_assert_ptr_eq(oh_names, same);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("names");
    TCase *tc = tcase_create("names");
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_name_finds_its_object_and_no_other_name_does);
    tcase_add_test(tc, a_taken_name_is_refused_and_free_again_once_removed);
    tcase_add_test(tc, what_is_held_is_not_released);
    tcase_add_test(tc, a_sweep_gets_past_what_is_held);
    tcase_add_test(tc, what_still_leaves_is_released_at_the_end);
    tcase_add_test(tc, rename_moves_the_object);
    tcase_add_test(tc, the_list_has_each_name_in_use_once);
    tcase_add_test(tc, without_memory_nothing_changes);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
