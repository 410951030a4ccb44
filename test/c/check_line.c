/* oh_line: who is called when, who may look, and what leaving does to those behind. */
#include "oh_line.h"
#include "suite.h"

enum { WAITERS = 4 };

static oh_line_t line;
static oh_waiter_t waiter[WAITERS];
static int calls[WAITERS], ends[WAITERS];
static int context;

static void call(oh_waiter_t *w, void *from) {
    ck_assert_ptr_eq(from, &context);
    calls[w - waiter]++;
}

static void end(oh_waiter_t *w) {
    ends[w - waiter]++;
}

static void setup(void) {
    oh_line_init(&line, (oh_line_host_t){call, end});
    for (int i = 0; i < WAITERS; i++)
        calls[i] = ends[i] = 0;
}

static void join(int i) {
    waiter[i].wanted = 10;
    oh_line_join(&line, &waiter[i], &context);
    ck_assert(oh_line_valid(&line));
}

static void leave(int i) {
    oh_line_leave(&line, &waiter[i], &context);
    ck_assert(oh_line_valid(&line));
}

static void abandon(int i) {
    oh_line_abandon(&line, &waiter[i], &context);
    ck_assert(oh_line_valid(&line));
}

static bool ready(int i) {
    return oh_line_ready(&line, &waiter[i], &context);
}

static void poke(void) {
    oh_line_poke(&line, &context);
    ck_assert(oh_line_valid(&line));
}

START_TEST(a_poke_calls_the_first_once_until_it_looks) {
    poke();
    join(0);
    join(1);
    ck_assert_uint_eq(oh_line_waiting(&line), 2);
    ck_assert_uint_eq(oh_line_wanted(&line), 20);
    ck_assert(ready(0));
    ck_assert(!ready(1));
    ck_assert_int_eq(calls[0], 0);
    poke();
    poke();
    ck_assert_int_eq(calls[0], 1);
    ck_assert(ready(0));
    poke();
    ck_assert_int_eq(calls[0], 2);
    ck_assert_int_eq(calls[1], 0);
}
END_TEST

START_TEST(who_leaves_calls_the_next) {
    for (int i = 0; i < WAITERS; i++)
        join(i);
    leave(2); /* from the middle: the first one looks, for nothing */
    leave(0);
    ck_assert_int_eq(calls[1], 1);
    ck_assert_int_eq(calls[3], 0);
    ck_assert(!ready(3));
    leave(1);
    ck_assert_int_eq(calls[3], 1);
    ck_assert(ready(3));
    leave(3);
    ck_assert_uint_eq(oh_line_waiting(&line), 0);
    join(1);
    ck_assert(ready(1));
}
END_TEST

START_TEST(a_call_is_not_lost_with_who_got_it) {
    join(0);
    join(1);
    join(2);
    poke();
    abandon(0);
    ck_assert_int_eq(ends[0], 1);
    ck_assert_int_eq(calls[1], 1);
    leave(1);
    ck_assert_int_eq(calls[2], 1);
    ck_assert_uint_eq(oh_line_waiting(&line), 1);
}
END_TEST

START_TEST(a_held_lock_stops_no_poker) {
    join(0);
    join(1);
    join(2);
    oh_lock(&line.lock);
    oh_line_poke(&line, &context);
    oh_line_abandon(&line, &waiter[0], &context);
    ck_assert_int_eq(calls[0], 0);
    ck_assert_int_eq(ends[0], 0);
    oh_unlock(&line.lock);
    /* The next who unlocks does it. */
    leave(2);
    ck_assert_int_eq(ends[0], 1);
    ck_assert_int_eq(calls[1], 1);
    oh_lock(&line.lock);
    oh_line_abandon(&line, &waiter[1], &context);
    oh_unlock(&line.lock);
    join(3);
    ck_assert_int_eq(ends[1], 1);
    ck_assert(ready(3));
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("line");
    tcase_add_checked_fixture(tcase, setup, NULL);
    tcase_add_test(tcase, a_poke_calls_the_first_once_until_it_looks);
    tcase_add_test(tcase, who_leaves_calls_the_next);
    tcase_add_test(tcase, a_call_is_not_lost_with_who_got_it);
    tcase_add_test(tcase, a_held_lock_stops_no_poker);
    Suite *suite = suite_create("oh_line");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
