/* Suite for oh_job: the table, arguments, slices, results, and the built-in jobs. */
#define _GNU_SOURCE /* dladdr */
#include "oh_job.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "suite.h"

/* --- A host that counts --- */

typedef struct {
    oh_run_t run;
    uint8_t *bytes[OFFHEAP_RESULTS_MAX];
    uint32_t count;
    uint64_t bytes_max;
    int stop_after; /* calls of stop that say no; -1: no end of them */
} test_run_t;

static uint8_t *test_bytes(oh_run_t *run, uint64_t size, const char **reason) {
    test_run_t *t = OH_CONTAINER_OF(run, test_run_t, run);
    if (size > t->bytes_max) {
        *reason = "enospc";
        return NULL;
    }
    uint8_t *bytes = malloc(size + 1);
    t->bytes[t->count++] = bytes;
    return bytes;
}

static bool test_stop(oh_run_t *run) {
    test_run_t *t = OH_CONTAINER_OF(run, test_run_t, run);
    return t->stop_after >= 0 && t->stop_after-- == 0;
}

static const oh_run_host_t test_host = {.bytes = test_bytes, .stop = test_stop};

static void begin_def(test_run_t *t, const offheap_job_def_t *def) {
    memset(t, 0, sizeof *t);
    t->bytes_max = UINT32_MAX;
    t->stop_after = -1;
    oh_run_init(&t->run, &test_host, def);
}

static void begin(test_run_t *t, const char *name) {
    uint32_t index = oh_job_find(name);
    ck_assert_uint_ne(index, OH_JOB_NONE);
    begin_def(t, oh_job_at(index)->def);
}

static void give_bytes(test_run_t *t, uint32_t param, const void *data, size_t size) {
    t->run.arg[param].data = data;
    t->run.arg[param].size = size;
    t->run.arg[param].given = true;
}

static void give_path(test_run_t *t, uint32_t param, const char *path) {
    give_bytes(t, param, path, strlen(path));
}

static void give_integer(test_run_t *t, uint32_t param, int64_t value) {
    t->run.arg[param].integer = value;
    t->run.arg[param].given = true;
}

static void end(test_run_t *t) {
    oh_run_end(&t->run);
    for (uint32_t i = 0; i < t->count; i++)
        free(t->bytes[i]);
}

static offheap_step_t run_whole(test_run_t *t) {
    ck_assert_uint_eq(oh_run_check_args(&t->run), OH_RUN_ARGS_OK);
    ck_assert(oh_run_make_state(&t->run, NULL, 0));
    return oh_run_slice(&t->run, 0, true);
}

/* --- Jobs of this suite --- */

static int cleanups;

typedef struct {
    int calls;
} calls_t;

/* Yields as often as its argument says, without having been asked to. */
static offheap_step_t job_calls(offheap_job_t *job) {
    calls_t *s = job->state;
    ck_assert_uint_eq((uintptr_t)s % 64, 0);
    if (s->calls++ < job->arg[0].integer)
        return OFFHEAP_MORE;
    offheap_result_integer(job, s->calls);
    return OFFHEAP_DONE;
}

static void count_cleanup(void *state) {
    ck_assert_ptr_nonnull(state);
    cleanups++;
}

/* Goes on until it is told to stop. */
static offheap_step_t job_forever(offheap_job_t *job) {
    while (offheap_go_on(job, 1))
        continue;
    return OFFHEAP_MORE;
}

static offheap_step_t job_results(offheap_job_t *job) {
    offheap_result_integer(job, -5);
    offheap_result_float(job, 0.5);
    offheap_result_float(job, 1.0 / 0.0);
    offheap_result_float(job, -1.0 / 0.0);
    offheap_result_float(job, 0.0 / 0.0);
    offheap_result_shrink(job, 0); /* of no bytes: nothing */
    offheap_result_atom(job, "odd");
    uint8_t *bytes = offheap_result_bytes(job, 4);
    ck_assert_ptr_nonnull(bytes);
    memcpy(bytes, "abcd", 4);
    offheap_result_shrink(job, 2);
    offheap_result_shrink(job, 3); /* it does not grow again */
    return OFFHEAP_DONE;
}

static offheap_step_t job_too_many(offheap_job_t *job) {
    for (int i = 0; i < OFFHEAP_RESULTS_MAX; i++)
        offheap_result_integer(job, i);
    ck_assert_ptr_null(offheap_result_bytes(job, 1));
    return OFFHEAP_FAILED;
}

static offheap_step_t job_fails(offheap_job_t *job) {
    (void)job;
    return OFFHEAP_FAILED;
}

static const offheap_param_t calls_params[] = {
    {.name = "calls",
     .type = OFFHEAP_INTEGER,
     .min = -3,
     .max = 1000,
     .initial = 2,
     .optional = true},
    {.name = "data", .type = OFFHEAP_BYTES, .min = 1, .max = 3, .optional = true},
    {.name = "number", .type = OFFHEAP_FLOAT, .initial = 7, .optional = true},
};

static const offheap_job_def_t test_defs[] = {
    {.name = "test_calls",
     .run = job_calls,
     .cleanup = count_cleanup,
     .state_bytes = sizeof(calls_t),
     .params = calls_params,
     .param_count = 3,
     .ns_per_unit = 1000},
    {.name = "test_forever", .run = job_forever},
    {.name = "test_results", .run = job_results},
    {.name = "test_too_many", .run = job_too_many},
    {.name = "test_fails", .run = job_fails},
};

static const offheap_jobs_t test_jobs = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t), 5, test_defs};

/* --- The table --- */

START_TEST(jobs_are_found_by_name) {
    uint32_t count = oh_job_count();
    ck_assert_uint_ge(count, 9);
    for (uint32_t i = 0; i < count; i++) {
        ck_assert_uint_eq(oh_job_find(oh_job_at(i)->def->name), i);
        ck_assert_uint_eq(oh_job_index(oh_job_at(i)), i);
    }
    ck_assert_uint_eq(oh_job_find("no_such_job"), OH_JOB_NONE);
    ck_assert_uint_eq(oh_job_find(""), OH_JOB_NONE);
    ck_assert_int_eq(oh_job_add(&test_jobs), OH_OK);
    ck_assert_uint_eq(oh_job_count(), count + 5);
    ck_assert_uint_eq(oh_job_find("test_calls"), count);
    ck_assert_int_eq(oh_job_add(&test_jobs), OH_EXISTS);
    ck_assert_uint_eq(oh_job_count(), count + 5);
}
END_TEST

START_TEST(definitions_that_make_no_sense_are_refused) {
    static const offheap_param_t upside_down = {
        .name = "a", .type = OFFHEAP_INTEGER, .min = 2, .max = 1};
    static const offheap_param_t nameless = {.name = "", .type = OFFHEAP_INTEGER};
    const offheap_job_def_t bad[] = {
        {.name = NULL, .run = job_fails},
        {.name = "", .run = job_fails},
        {.name = "a b", .run = job_fails},
        {.name = "no_run"},
        {.name = "params", .run = job_fails, .param_count = OFFHEAP_PARAMS_MAX + 1},
        {.name = "upside", .run = job_fails, .params = &upside_down, .param_count = 1},
        {.name = "nameless", .run = job_fails, .params = &nameless, .param_count = 1},
    };
    uint32_t count = oh_job_count();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        offheap_jobs_t jobs = {OFFHEAP_JOB_ABI, sizeof(offheap_job_def_t), 1, &bad[i]};
        ck_assert_int_eq(oh_job_add(&jobs), OH_BADARG);
    }
    offheap_jobs_t other = test_jobs;
    other.abi++;
    ck_assert_int_eq(oh_job_add(&other), OH_BADARG);
    other = test_jobs;
    other.def_size += 8;
    ck_assert_int_eq(oh_job_add(&other), OH_BADARG);
    other = test_jobs;
    other.count = OH_JOBS_MAX;
    ck_assert_int_eq(oh_job_add(&other), OH_LIMIT);
    ck_assert_uint_eq(oh_job_count(), count);
}
END_TEST

START_TEST(a_library_that_is_none_is_refused) {
    const char *why = NULL;
    ck_assert_int_eq(oh_job_load("relative.so", &why), OH_BADARG);
    ck_assert_int_eq(oh_job_load("/no/such/library.so", &why), OH_NOT_FOUND);
    ck_assert_ptr_nonnull(why);
    ck_assert_ptr_nonnull(strstr(why, "/no/such/library.so"));
    ck_assert_int_eq(oh_job_load("/etc/hostname", &why), OH_NOT_FOUND);
}
END_TEST

START_TEST(a_library_without_jobs_is_refused) {
    const char *why = NULL;
    Dl_info sodium;
    ck_assert_int_ne(dladdr((void *)sodium_init, &sodium), 0);
    ck_assert_int_eq(oh_job_load(sodium.dli_fname, &why), OH_NOT_FOUND);
    ck_assert_ptr_nonnull(strstr(why, "offheap_jobs"));
}
END_TEST

START_TEST(the_guess_follows_what_runs) {
    uint32_t index = oh_job_find("sha256");
    oh_job_t *job = oh_job_at(index);
    ck_assert_uint_eq(oh_job_cost_ns(job, 1000), 4000);
    for (int i = 0; i < 100; i++)
        oh_job_learned(job, 1000000, 8000000);
    ck_assert_uint_ge(oh_job_cost_ns(job, 1000), 7800);
    ck_assert_uint_le(oh_job_cost_ns(job, 1000), 8000);
    uint64_t before = oh_job_cost_ns(job, 1000000);
    oh_job_learned(job, 1, 1000000000); /* one that stands out */
    ck_assert_uint_le(oh_job_cost_ns(job, 1000000), before + before / 8 + 1);
    before = oh_job_cost_ns(job, 1000000);
    oh_job_learned(job, 1000, 19999); /* too short to tell */
    oh_job_learned(job, 0, 1000000);  /* of no work */
    ck_assert_uint_eq(oh_job_cost_ns(job, 1000000), before);
    ck_assert_uint_eq(oh_job_cost_ns(job, UINT64_MAX), 1000000000000000000u);
    for (int i = 0; i < 1000; i++)
        oh_job_learned(job, UINT64_MAX, 20000);
    ck_assert_uint_ge(oh_job_cost_ns(job, 1000000), 1);
}
END_TEST

/* --- Arguments --- */

START_TEST(arguments_are_checked) {
    test_run_t t;
    begin_def(&t, &test_defs[0]);
    ck_assert_uint_eq(oh_run_check_args(&t.run), OH_RUN_ARGS_OK);
    ck_assert_int_eq(t.run.arg[0].integer, 2);
    ck_assert(!t.run.arg[0].given);
    ck_assert_uint_eq(t.run.arg[1].size, 0);
    ck_assert(t.run.arg[2].number == 7.0);
    give_integer(&t, 0, -3);
    give_bytes(&t, 1, "abc", 3);
    ck_assert_uint_eq(oh_run_check_args(&t.run), OH_RUN_ARGS_OK);
    give_integer(&t, 0, -4);
    ck_assert_uint_eq(oh_run_check_args(&t.run), 0);
    give_integer(&t, 0, 1001);
    ck_assert_uint_eq(oh_run_check_args(&t.run), 0);
    give_integer(&t, 0, 1000);
    give_bytes(&t, 1, "", 0);
    ck_assert_uint_eq(oh_run_check_args(&t.run), 1);
    give_bytes(&t, 1, "abcd", 4);
    ck_assert_uint_eq(oh_run_check_args(&t.run), 1);
    give_bytes(&t, 1, "abcd", SIZE_MAX);
    ck_assert_uint_eq(oh_run_check_args(&t.run), 1);
    begin(&t, "blake2b");
    ck_assert_uint_eq(oh_run_check_args(&t.run), 0); /* not optional */
}
END_TEST

/* --- Slices --- */

START_TEST(a_run_ends_whatever_the_job_says) {
    test_run_t t;
    begin_def(&t, &test_defs[0]);
    give_integer(&t, 0, 10);
    cleanups = 0;
    ck_assert_int_eq(run_whole(&t), OFFHEAP_DONE);
    ck_assert_uint_eq(t.run.results, 1);
    ck_assert_int_eq(t.run.result[0].integer, 11);
    end(&t);
    ck_assert_int_eq(cleanups, 1);

    begin_def(&t, &test_defs[4]);
    ck_assert_int_eq(run_whole(&t), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "failed");
    end(&t);
}
END_TEST

START_TEST(a_run_goes_on_in_slices_with_its_state_moved) {
    _Alignas(64) uint8_t room[256];
    test_run_t t;
    begin_def(&t, &test_defs[0]);
    give_integer(&t, 0, 2);
    ck_assert_uint_eq(oh_run_check_args(&t.run), OH_RUN_ARGS_OK);
    ck_assert(oh_run_make_state(&t.run, room, sizeof room));
    ck_assert_ptr_eq(t.run.job.state, room);
    cleanups = 0;
    ck_assert_int_eq(oh_run_slice(&t.run, 1000000, false), OFFHEAP_MORE);
    suite_allocations_left = 0;
    ck_assert(!oh_run_keep_state(&t.run));
    suite_allocations_left = SUITE_NO_LIMIT;
    ck_assert(oh_run_keep_state(&t.run));
    ck_assert_ptr_ne(t.run.job.state, room);
    memset(room, 0xff, sizeof room);
    test_run_t moved = t;
    ck_assert_int_eq(oh_run_slice(&moved.run, 1000000, true), OFFHEAP_MORE);
    ck_assert_int_eq(oh_run_slice(&moved.run, 1000000, true), OFFHEAP_DONE);
    ck_assert_int_eq(moved.run.result[0].integer, 3);
    end(&moved);
    ck_assert_int_eq(cleanups, 1);
    ck_assert_int_eq(oh_load_relaxed(&suite_blocks), 0);
}
END_TEST

START_TEST(a_slice_ends_by_the_clock_and_a_stop_ends_all) {
    test_run_t t;
    begin_def(&t, &test_defs[1]);
    ck_assert(oh_run_make_state(&t.run, NULL, 0));
    ck_assert_int_eq(oh_run_slice(&t.run, 1000, false), OFFHEAP_MORE);
    ck_assert(!t.run.stopped);
    ck_assert_uint_gt(t.run.units, 0);
    ck_assert_uint_ge(t.run.ns, 1000);
    t.stop_after = 2;
    ck_assert_int_eq(oh_run_slice(&t.run, 0, true), OFFHEAP_MORE);
    ck_assert(t.run.stopped);
    end(&t);
}
END_TEST

START_TEST(a_run_that_never_began_cleans_nothing_up) {
    test_run_t t;
    begin_def(&t, &test_defs[0]);
    cleanups = 0;
    suite_allocations_left = 0;
    ck_assert(!oh_run_make_state(&t.run, NULL, 0));
    suite_allocations_left = SUITE_NO_LIMIT;
    end(&t);
    begin_def(&t, &test_defs[0]);
    ck_assert(oh_run_make_state(&t.run, NULL, 0));
    end(&t);
    ck_assert_int_eq(cleanups, 0);
    ck_assert_int_eq(oh_load_relaxed(&suite_blocks), 0);
}
END_TEST

START_TEST(results_are_kept) {
    static const char *atoms[] = {"infinity", "negative_infinity", "nan", "odd"};
    test_run_t t;
    begin_def(&t, &test_defs[2]);
    ck_assert_int_eq(run_whole(&t), OFFHEAP_DONE);
    ck_assert_uint_eq(t.run.results, 7);
    ck_assert_int_eq(t.run.result[0].integer, -5);
    ck_assert(t.run.result[1].number == 0.5);
    for (int i = 0; i < 4; i++) {
        ck_assert_int_eq(t.run.result[2 + i].kind, OH_RESULT_ATOM);
        ck_assert_str_eq(t.run.result[2 + i].atom, atoms[i]);
    }
    ck_assert_uint_eq(t.run.result[6].size, 2);
    ck_assert_int_eq(memcmp(t.run.result[6].bytes, "ab", 2), 0);
    end(&t);
    begin_def(&t, &test_defs[3]);
    ck_assert_int_eq(run_whole(&t), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "too_many_results");
    end(&t);
    begin_def(&t, &test_defs[2]);
    t.bytes_max = 3;
    begin(&t, "echo");
    give_bytes(&t, 0, "abcd", 4);
    t.bytes_max = 3;
    ck_assert_int_eq(run_whole(&t), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "enospc");
    end(&t);
}
END_TEST

/* --- The built-in jobs --- */

static void check_digest(const char *job, const void *data, size_t size, const uint8_t *expected,
                         size_t expected_size) {
    test_run_t t;
    _Alignas(64) uint8_t room[4096];
    begin(&t, job);
    give_bytes(&t, 0, data, size);
    ck_assert_uint_eq(oh_run_check_args(&t.run), OH_RUN_ARGS_OK);
    ck_assert_uint_eq(oh_run_units(&t.run), size);
    ck_assert(oh_run_make_state(&t.run, room, sizeof room));
    offheap_step_t step;
    do
        step = oh_run_slice(&t.run, 1, true); /* the shortest slices there are */
    while (step == OFFHEAP_MORE);
    ck_assert_int_eq(step, OFFHEAP_DONE);
    ck_assert_uint_eq(t.run.result[0].size, expected_size);
    ck_assert_int_eq(memcmp(t.run.result[0].bytes, expected, expected_size), 0);
    end(&t);
}

START_TEST(hashes_are_libsodiums_however_they_are_cut) {
    static uint8_t data[100000];
    static const size_t sizes[] = {0, 1, 16383, 16384, 16385, 65536, 100000};
    randombytes_buf(data, sizeof data);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint8_t digest[64];
        crypto_generichash(digest, 32, data, sizes[i], NULL, 0);
        check_digest("blake2b", data, sizes[i], digest, 32);
        crypto_hash_sha256(digest, data, sizes[i]);
        check_digest("sha256", data, sizes[i], digest, 32);
    }
}
END_TEST

static void write_file(const char *path, const void *data, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, data, size), (ssize_t)size);
    close(fd);
}

static void *read_file(const char *path, size_t *size) {
    struct stat st;
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fstat(fd, &st), 0);
    *size = (size_t)st.st_size;
    void *data = malloc(*size + 1);
    ck_assert_int_eq(read(fd, data, *size), (ssize_t)*size);
    close(fd);
    return data;
}

static char folder[] = "/tmp/check_job_XXXXXX";
static char path_a[64], path_b[64], path_c[64];

static void make_folder(void) {
    ck_assert_int_ge(sodium_init(), 0);
    suite_use_allocator();
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path_a, sizeof path_a, "%s/a", folder);
    snprintf(path_b, sizeof path_b, "%s/b", folder);
    snprintf(path_c, sizeof path_c, "%s/c", folder);
}

/* The folder must be empty but for these: nothing half-written stays. */
static void remove_folder(void) {
    unlink(path_a);
    unlink(path_b);
    unlink(path_c);
    ck_assert_int_eq(rmdir(folder), 0);
}

static offheap_step_t run_file_job(test_run_t *t, const char *job, const char *from, const char *to,
                                   const uint8_t *key) {
    begin(t, job);
    give_path(t, 0, from);
    if (to != NULL)
        give_path(t, 1, to);
    if (key != NULL)
        give_bytes(t, 2, key, 32);
    return run_whole(t);
}

START_TEST(files_are_hashed) {
    test_run_t t;
    uint8_t data[200000], digest[32];
    randombytes_buf(data, sizeof data);
    write_file(path_a, data, sizeof data);
    crypto_generichash(digest, 32, data, sizeof data, NULL, 0);
    ck_assert_int_eq(run_file_job(&t, "blake2b_file", path_a, NULL, NULL), OFFHEAP_DONE);
    ck_assert_uint_eq(t.run.results, 2);
    ck_assert_int_eq(memcmp(t.run.result[0].bytes, digest, 32), 0);
    ck_assert_int_eq(t.run.result[1].integer, sizeof data);
    end(&t);
    ck_assert_int_eq(run_file_job(&t, "sha256_file", path_b, NULL, NULL), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "enoent");
    end(&t);
    ck_assert_int_eq(run_file_job(&t, "blake2b_file", folder, NULL, NULL), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "eisdir");
    end(&t);
    ck_assert_int_eq(run_file_job(&t, "blake2b_file", "/dev/zero", NULL, NULL), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "einval");
    end(&t);
}
END_TEST

START_TEST(files_are_encrypted_and_decrypted) {
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 200000};
    uint8_t *data = malloc(200000), key[32], other[32];
    randombytes_buf(data, 200000);
    randombytes_buf(key, sizeof key);
    randombytes_buf(other, sizeof other);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        test_run_t t;
        size_t size, cipher_size;
        write_file(path_a, data, sizes[i]);
        ck_assert_int_eq(run_file_job(&t, "encrypt_file", path_a, path_b, key), OFFHEAP_DONE);
        ck_assert_int_eq(t.run.result[0].integer, (int64_t)sizes[i]);
        end(&t);
        ck_assert_int_eq(run_file_job(&t, "decrypt_file", path_b, path_c, key), OFFHEAP_DONE);
        end(&t);
        uint8_t *text = read_file(path_c, &size);
        ck_assert_uint_eq(size, sizes[i]);
        ck_assert_int_eq(memcmp(text, data, size), 0);
        free(text);
        unlink(path_c);

        /* Another key; a cut file; a longer one; a changed byte: nothing is written. */
        uint8_t *cipher = read_file(path_b, &cipher_size);
        ck_assert_int_eq(run_file_job(&t, "decrypt_file", path_b, path_c, other), OFFHEAP_FAILED);
        ck_assert_str_eq(t.run.reason, "bad_message");
        end(&t);
        for (int change = 0; change < 3; change++) {
            cipher[cipher_size] = 7;
            cipher[cipher_size / 2] ^= change == 2;
            write_file(path_b, cipher, cipher_size - 1 + (size_t)change - (change == 2));
            ck_assert_int_eq(run_file_job(&t, "decrypt_file", path_b, path_c, key),
                             change == 1 ? OFFHEAP_DONE : OFFHEAP_FAILED);
            end(&t);
            write_file(path_b, cipher, cipher_size + 1);
            ck_assert_int_eq(run_file_job(&t, "decrypt_file", path_b, path_c, key), OFFHEAP_FAILED);
            end(&t);
            ck_assert_int_eq(access(path_c, F_OK), change == 1 ? 0 : -1);
            unlink(path_c);
        }
        free(cipher);
    }
    free(data);
}
END_TEST

START_TEST(what_cannot_be_encrypted_leaves_nothing) {
    test_run_t t;
    uint8_t key[32] = {1};
    char missing[80];
    snprintf(missing, sizeof missing, "%s/no/such", folder);
    write_file(path_a, "abc", 3);
    ck_assert_int_eq(run_file_job(&t, "encrypt_file", path_b, path_c, key), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "enoent");
    end(&t);
    ck_assert_int_eq(run_file_job(&t, "encrypt_file", path_a, missing, key), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "enoent");
    end(&t);
    ck_assert_int_eq(run_file_job(&t, "encrypt_file", folder, path_b, key), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "eisdir");
    end(&t);
    /* A folder stands where the output should go. */
    ck_assert_int_eq(run_file_job(&t, "encrypt_file", path_a, folder, key), OFFHEAP_FAILED);
    end(&t);
    char long_path[5000];
    memset(long_path, 'x', sizeof long_path);
    long_path[4999] = '\0';
    ck_assert_int_eq(run_file_job(&t, "encrypt_file", path_a, long_path, key), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "enametoolong");
    end(&t);
}
END_TEST

START_TEST(a_stopped_encryption_leaves_nothing) {
    test_run_t t;
    uint8_t key[32] = {1}, *data = calloc(1, 1 << 20);
    write_file(path_a, data, 1 << 20);
    free(data);
    begin(&t, "encrypt_file");
    give_path(&t, 0, path_a);
    give_path(&t, 1, path_b);
    give_bytes(&t, 2, key, 32);
    ck_assert_uint_eq(oh_run_check_args(&t.run), OH_RUN_ARGS_OK);
    ck_assert(oh_run_make_state(&t.run, NULL, 0));
    ck_assert_int_eq(oh_run_slice(&t.run, 1, true), OFFHEAP_MORE);
    end(&t);
    ck_assert_int_eq(access(path_b, F_OK), -1);
}
END_TEST

START_TEST(passwords_are_hashed_and_verified) {
    test_run_t t;
    begin(&t, "argon2id");
    give_bytes(&t, 0, "secret", 6);
    give_integer(&t, 1, 1);
    give_integer(&t, 2, 8192);
    ck_assert_uint_eq(oh_run_check_args(&t.run), OH_RUN_ARGS_OK);
    ck_assert_uint_eq(oh_run_units(&t.run), 8);
    ck_assert_int_eq(run_whole(&t), OFFHEAP_DONE);
    char hash[128] = {0};
    size_t size = t.run.result[0].size;
    memcpy(hash, t.run.result[0].bytes, size);
    ck_assert_uint_eq(size, strlen(hash));
    ck_assert_int_eq(strncmp(hash, "$argon2id$v=19$m=8,t=1,", 23), 0);
    end(&t);
    for (int right = 0; right < 2; right++) {
        begin(&t, "argon2id_verify");
        give_bytes(&t, 0, right ? "secret" : "Secret", 6);
        give_bytes(&t, 1, hash, size);
        ck_assert_int_eq(run_whole(&t), OFFHEAP_DONE);
        ck_assert_uint_eq(oh_run_units(&t.run), 8);
        ck_assert_str_eq(t.run.result[0].atom, right ? "true" : "false");
        end(&t);
    }
    begin(&t, "argon2id_verify");
    give_bytes(&t, 0, "secret", 6);
    give_bytes(&t, 1, "$argon2i$", 9);
    ck_assert_int_eq(run_whole(&t), OFFHEAP_FAILED);
    ck_assert_str_eq(t.run.reason, "bad_hash");
    end(&t);
}
END_TEST

START_TEST(what_was_eaten_is_given_back) {
    test_run_t t;
    begin(&t, "eat");
    give_integer(&t, 0, 3);
    ck_assert_int_eq(run_whole(&t), OFFHEAP_DONE);
    ck_assert_int_eq(t.run.result[0].integer, 3);
    end(&t);
}
END_TEST

int main(void) {
    Suite *suite = suite_create("job");
    TCase *tc = tcase_create("job");
    tcase_add_checked_fixture(tc, make_folder, remove_folder);
    tcase_add_test(tc, jobs_are_found_by_name);
    tcase_add_test(tc, definitions_that_make_no_sense_are_refused);
    tcase_add_test(tc, a_library_that_is_none_is_refused);
    tcase_add_test(tc, a_library_without_jobs_is_refused);
    tcase_add_test(tc, the_guess_follows_what_runs);
    tcase_add_test(tc, arguments_are_checked);
    tcase_add_test(tc, a_run_ends_whatever_the_job_says);
    tcase_add_test(tc, a_run_goes_on_in_slices_with_its_state_moved);
    tcase_add_test(tc, a_slice_ends_by_the_clock_and_a_stop_ends_all);
    tcase_add_test(tc, a_run_that_never_began_cleans_nothing_up);
    tcase_add_test(tc, results_are_kept);
    tcase_add_test(tc, hashes_are_libsodiums_however_they_are_cut);
    tcase_add_test(tc, files_are_hashed);
    tcase_add_test(tc, files_are_encrypted_and_decrypted);
    tcase_add_test(tc, what_cannot_be_encrypted_leaves_nothing);
    tcase_add_test(tc, a_stopped_encryption_leaves_nothing);
    tcase_add_test(tc, passwords_are_hashed_and_verified);
    tcase_add_test(tc, what_was_eaten_is_given_back);
    suite_add_tcase(suite, tc);
    return suite_run(suite);
}
