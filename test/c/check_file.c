/*
 * oh_file: what can be opened and how, what is read and written where, closing under a worker; and
 * what the system may do in between: interrupt, do less than asked, refuse.
 *
 * The system calls that move bytes are replaced by ones that first look what the test wants done.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* preadv2 */
#endif
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "oh_file.h"
#include "oh_reaper.h"
#include "suite.h"

enum { BYTES = 100000 };

static char folder[] = "/tmp/oh_file_XXXXXX";
static char path[sizeof folder + 16];
static char content[BYTES];
static oh_file_t file;
static int error_number;
static uint64_t done;

/* --- The system calls --- */

enum { FAULTS = 8 };

/* What the next calls do: an error number, or minus the most bytes they move; 0: as usual. */
#define NOTHING INT_MIN
static int faults[FAULTS];
static int calls;
/* Calls that read only what needs no waiting. */
static int nowait_calls;

static int fault(void) {
    return calls < FAULTS ? faults[calls++] : (calls++, 0);
}

static ssize_t move(int fd, const struct iovec *iov, int count, off_t offset, bool reads) {
    int what = fault();
    if (what > 0) {
        errno = what;
        return -1;
    }
    if (what == NOTHING)
        return 0;
    ck_assert_int_le(count, IOV_MAX);
    size_t most = what < 0 ? (size_t)-what : SIZE_MAX;
    ssize_t moved = 0;
    for (int i = 0; i < count && (size_t)moved < most; i++) {
        size_t bytes = iov[i].iov_len < most - moved ? iov[i].iov_len : most - moved;
        off_t at = offset + moved;
        if (lseek(fd, at, SEEK_SET) != at)
            return -1;
        ssize_t n = reads ? read(fd, iov[i].iov_base, bytes) : write(fd, iov[i].iov_base, bytes);
        if (n < 0)
            return moved > 0 ? moved : -1;
        moved += n;
        if ((size_t)n < bytes)
            break;
    }
    return moved;
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset) {
    struct iovec iov = {.iov_base = bytes, .iov_len = length};
    return move(fd, &iov, 1, offset, true);
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset) {
    return move(fd, iov, count, offset, true);
}

ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags) {
    ck_assert_int_ne(flags, 0);
    nowait_calls++;
    return move(fd, iov, count, offset, true);
}

ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset) {
    struct iovec iov = {.iov_base = (void *)bytes, .iov_len = length};
    return move(fd, &iov, 1, offset, false);
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset) {
    return move(fd, iov, count, offset, false);
}

/* Calls of these fail once with EINTR. */
static bool interrupt_others;

static bool interrupted(void) {
    bool now = interrupt_others;
    interrupt_others = false;
    errno = EINTR;
    return now;
}

int fdatasync(int fd) {
    return interrupted() ? -1 : fsync(fd);
}

/* --- Fixture --- */

static void ck_open(unsigned how) {
    error_number = 0;
    ck_assert_int_eq(oh_file_open(&file, path, how, &error_number), OH_OK);
    ck_assert_int_eq(oh_file_enter(&file), OH_OK);
}

static void leave_and_close(void) {
    bool finisher = false;
    ck_assert(!oh_file_leave(&file));
    ck_assert_int_eq(oh_file_close(&file, &finisher), OH_OK);
    ck_assert(finisher);
    ck_assert_int_eq(oh_file_finish(&file), 0);
}

static void write_content(const char *name) {
    FILE *f = fopen(name, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(content, 1, BYTES, f), BYTES);
    ck_assert_int_eq(fclose(f), 0);
}

static void setup(void) {
    suite_use_allocator();
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file", folder);
    for (int i = 0; i < BYTES; i++)
        content[i] = (char)(i * 31 + i / 251);
    write_content(path);
    memset(faults, 0, sizeof faults);
    calls = nowait_calls = 0;
    interrupt_others = false;
    oh_file_init(&file);
}

static void teardown(void) {
    (void)unlink(path);
    (void)rmdir(folder);
    ck_assert_int_eq(suite_blocks, 0);
}

static off_t size_of(const char *name) {
    struct stat st;
    ck_assert_int_eq(stat(name, &st), 0);
    return st.st_size;
}

/* --- Opening --- */

static void ck_refused(const char *name, unsigned how, int expected) {
    error_number = 0;
    ck_assert_int_eq(oh_file_open(&file, name, how, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, expected);
    bool finisher;
    ck_assert_int_eq(oh_file_enter(&file), OH_CLOSED);
    ck_assert_int_eq(oh_file_close(&file, &finisher), OH_CLOSED);
}

START_TEST(only_regular_files_open) {
    static const unsigned hows[] = {0, OH_FILE_READ, OH_FILE_WRITE, OH_FILE_READ | OH_FILE_WRITE,
                                    OH_FILE_APPEND};
    for (size_t i = 0; i < sizeof hows / sizeof hows[0]; i++) {
        ck_refused(".", hows[i], EISDIR);
        ck_refused("/dev/null", hows[i], EINVAL);
        unlink(path);
        ck_assert_int_eq(mkfifo(path, 0600), 0);
        ck_refused(path, hows[i], EINVAL); /* does not wait for the other end */
        unlink(path);
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        strcpy(address.sun_path, path);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        ck_assert_int_eq(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
        ck_refused(path, hows[i], EINVAL);
        close(fd);
    }
    ck_refused("no/such/file", OH_FILE_READ, ENOENT);
    ck_refused("no/such/file", OH_FILE_WRITE, ENOENT);
}
END_TEST

START_TEST(a_refused_pipe_loses_nothing) {
    unlink(path);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    int fd = open(path, O_RDWR);
    ck_assert_int_eq(write(fd, "abc", 3), 3);
    ck_refused(path, OH_FILE_READ, EINVAL);
    ck_refused(path, OH_FILE_WRITE, EINVAL);
    char bytes[8];
    ck_assert_int_eq(read(fd, bytes, sizeof bytes), 3);
    close(fd);
}
END_TEST

START_TEST(what_is_there_is_kept_or_emptied) {
    static const struct {
        unsigned how;
        off_t size;
    } cases[] = {
        {OH_FILE_READ, BYTES},
        {OH_FILE_READ | OH_FILE_WRITE, BYTES},
        {OH_FILE_APPEND, BYTES},
        {OH_FILE_WRITE | OH_FILE_APPEND, BYTES},
        {OH_FILE_WRITE | OH_FILE_SYNC, 0},
        {OH_FILE_WRITE, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_content(path);
        ck_open(cases[i].how);
        ck_assert_int_eq(size_of(path), cases[i].size);
        leave_and_close();
        ck_refused(path, cases[i].how | OH_FILE_EXCLUSIVE, EEXIST);
        unlink(path);
        if (cases[i].how == OH_FILE_READ) {
            ck_refused(path, cases[i].how, ENOENT);
        } else {
            ck_open(cases[i].how);
            leave_and_close();
            ck_assert_int_eq(size_of(path), 0);
            unlink(path);
        }
        ck_open(cases[i].how | OH_FILE_EXCLUSIVE);
        leave_and_close();
    }
}
END_TEST

/* --- Reading --- */

START_TEST(reads_are_whole_up_to_the_end) {
    static const uint64_t offsets[] = {0, 1, 4095, 4096, 65536, BYTES - 1, BYTES, BYTES + 1};
    static const uint64_t lengths[] = {0, 1, 511, 4096, BYTES, BYTES + 1};
    static char bytes[BYTES + 1];
    ck_open(OH_FILE_READ);
    for (size_t o = 0; o < sizeof offsets / sizeof offsets[0]; o++)
        for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++)
            for (int nowait = 0; nowait < 2; nowait++) {
                uint64_t left = offsets[o] < BYTES ? BYTES - offsets[o] : 0;
                uint64_t expected = lengths[l] < left ? lengths[l] : left;
                struct iovec iov = {.iov_base = bytes, .iov_len = lengths[l]};
                ck_assert_int_eq(
                    oh_file_readv(&file, offsets[o], &iov, 1, nowait, &done, &error_number), OH_OK);
                ck_assert_uint_eq(done, expected);
                ck_assert(done == 0 || memcmp(bytes, content + offsets[o], done) == 0);
            }
#ifdef RWF_NOWAIT
    ck_assert_int_gt(nowait_calls, 0);
#endif
    uint64_t size;
    ck_assert_int_eq(oh_file_size(&file, &size, &error_number), OH_OK);
    ck_assert_uint_eq(size, BYTES);
    leave_and_close();
}
END_TEST

/* Cuts the first bytes of memory into count pieces of step bytes, every third one empty. */
static uint64_t cut(char *memory, struct iovec *iov, size_t count, size_t step) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++) {
        iov[i] = (struct iovec){.iov_base = memory + bytes, .iov_len = i % 3 == 1 ? 0 : step};
        bytes += iov[i].iov_len;
    }
    return bytes;
}

enum { PIECES = 3 * IOV_MAX + 5 };
static struct iovec pieces[PIECES];

START_TEST(any_number_of_pieces) {
    static char bytes[BYTES];
    static const size_t counts[] = {0, 1, 2, 3, IOV_MAX, IOV_MAX + 1, 2 * IOV_MAX, PIECES};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        ck_open(OH_FILE_READ | OH_FILE_WRITE);
        for (int nowait = 0; nowait < 2; nowait++) {
            memset(bytes, 0, sizeof bytes);
            uint64_t wanted = cut(bytes, pieces, counts[c], 7);
            ck_assert_int_eq(
                oh_file_readv(&file, 11, pieces, counts[c], nowait, &done, &error_number), OH_OK);
            ck_assert_uint_eq(done, wanted);
            ck_assert_int_eq(memcmp(bytes, content + 11, done), 0);
            ck_assert_int_eq(bytes[done], 0);
        }
        uint64_t wanted = cut(bytes, pieces, counts[c], 7);
        ck_assert_int_eq(oh_file_writev(&file, BYTES + 3, pieces, counts[c], &done, &error_number),
                         OH_OK);
        ck_assert_uint_eq(done, wanted);
        ck_assert_int_eq(size_of(path), wanted > 0 ? (off_t)(BYTES + 3 + wanted) : BYTES);
        struct iovec iov = {.iov_base = bytes, .iov_len = BYTES};
        memset(bytes, 1, sizeof bytes);
        ck_assert_int_eq(oh_file_readv(&file, BYTES, &iov, 1, false, &done, &error_number), OH_OK);
        if (wanted > 0) {
            ck_assert_uint_eq(done, wanted + 3);
            ck_assert_int_eq(memcmp(bytes, "\0\0\0", 3), 0);
            ck_assert_int_eq(memcmp(bytes + 3, content + 11, wanted), 0);
        }
        leave_and_close();
        write_content(path);
    }
}
END_TEST

START_TEST(places_beyond_what_files_have_are_einval) {
    char byte;
    ck_open(OH_FILE_READ | OH_FILE_WRITE);
    for (int i = 0; i < 3; i++) {
        uint64_t offset = i == 0 ? UINT64_MAX : INT64_MAX;
        struct iovec iov[2] = {{.iov_base = &byte, .iov_len = 1}, {.iov_base = &byte, 0}};
        if (i == 2) {
            offset = 1;
            iov[0].iov_len = 0;
            iov[1].iov_len = SIZE_MAX;
        }
        for (int writes = 0; writes < 2; writes++) {
            ck_assert_int_eq(
                writes ? oh_file_writev(&file, offset, iov, 2, &done, &error_number)
                       : oh_file_readv(&file, offset, iov, 2, false, &done, &error_number),
                OH_ERRNO);
            ck_assert_int_eq(error_number, EINVAL);
            ck_assert_uint_eq(done, 0);
        }
    }
    ck_assert_int_eq(oh_file_truncate(&file, (uint64_t)INT64_MAX + 1, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EINVAL);
    ck_assert_int_eq(calls, 0);
    leave_and_close();
}
END_TEST

/* --- What the system may do --- */

START_TEST(interruptions_and_short_counts_are_gone_on_from) {
    static char bytes[BYTES];
    for (int writes = 0; writes < 2; writes++)
        for (size_t count = 1; count <= 100; count += 99) {
            if (writes)
                unlink(path);
            ck_open(writes ? OH_FILE_WRITE | OH_FILE_READ : OH_FILE_READ);
            calls = 0;
            memcpy(faults, (int[FAULTS]){EINTR, -1, EINTR, EINTR, -10, -21, -500, EINTR},
                   sizeof faults);
            memset(bytes, 0, sizeof bytes);
            char *memory = writes ? content : bytes;
            uint64_t wanted = cut(memory, pieces, count, count == 1 ? 1000 : 15);
            ck_assert_int_eq(
                writes ? oh_file_writev(&file, 0, pieces, count, &done, &error_number)
                       : oh_file_readv(&file, 0, pieces, count, false, &done, &error_number),
                OH_OK);
            ck_assert_uint_eq(done, wanted);
            ck_assert_int_ge(calls, FAULTS);
            if (writes) {
                struct iovec iov = {.iov_base = bytes, .iov_len = BYTES};
                ck_assert_int_eq(oh_file_readv(&file, 0, &iov, 1, false, &done, &error_number),
                                 OH_OK);
                ck_assert_uint_eq(done, wanted);
            }
            ck_assert_int_eq(memcmp(bytes, content, wanted), 0);
            leave_and_close();
            write_content(path);
        }
}
END_TEST

START_TEST(an_error_says_how_much_came_before) {
    static char bytes[BYTES];
    ck_open(OH_FILE_READ | OH_FILE_WRITE);
    for (int writes = 0; writes < 2; writes++)
        for (int before = 0; before < 30; before += 10) {
            calls = 0;
            memcpy(faults, before > 0 ? (int[2]){-before, EIO} : (int[2]){EIO, 0}, 2 * sizeof(int));
            cut(bytes, pieces, 10, 15);
            ck_assert_int_eq(writes
                                 ? oh_file_writev(&file, 0, pieces, 10, &done, &error_number)
                                 : oh_file_readv(&file, 0, pieces, 10, false, &done, &error_number),
                             OH_ERRNO);
            ck_assert_int_eq(error_number, EIO);
            ck_assert_uint_eq(done, (uint64_t)before);
        }
    leave_and_close();
}
END_TEST

START_TEST(without_waiting_it_is_all_or_busy) {
    static char bytes[BYTES];
    static const int numbers[] = {EAGAIN, EOPNOTSUPP, ENOSYS, EINVAL};
    ck_open(OH_FILE_READ);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        for (int before = 0; before < 2; before++) {
            calls = 0;
            memcpy(faults, before ? (int[2]){-100, numbers[i]} : (int[2]){numbers[i], 0},
                   2 * sizeof(int));
            struct iovec iov = {.iov_base = bytes, .iov_len = BYTES};
            ck_assert_int_eq(oh_file_readv(&file, 0, &iov, 1, true, &done, &error_number), OH_BUSY);
        }
    calls = 0;
    faults[0] = EIO;
    struct iovec iov = {.iov_base = bytes, .iov_len = BYTES};
    ck_assert_int_eq(oh_file_readv(&file, 0, &iov, 1, true, &done, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EIO);
    /* EAGAIN is an error where it was not asked for. */
    calls = 0;
    faults[0] = EAGAIN;
    ck_assert_int_eq(oh_file_readv(&file, 0, &iov, 1, false, &done, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EAGAIN);
    leave_and_close();
}
END_TEST

START_TEST(a_full_disk_takes_a_part) {
    /* The limit stands for the disk's: a write up to it is short, one beyond it fails. */
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = {.rlim_cur = 5000, .rlim_max = RLIM_INFINITY};
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_open(OH_FILE_WRITE);
    cut(content, pieces, 100, 100);
    ck_assert_int_eq(oh_file_writev(&file, 0, pieces, 100, &done, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EFBIG);
    ck_assert_uint_eq(done, 5000);
    cut(content, pieces, 100, 100);
    ck_assert_int_eq(oh_file_writev(&file, 5000, pieces, 100, &done, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EFBIG);
    ck_assert_uint_eq(done, 0);
    ck_assert_int_eq(oh_file_truncate(&file, 5001, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EFBIG);
    limit.rlim_cur = RLIM_INFINITY;
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    ck_assert_int_eq(size_of(path), 5000);
    leave_and_close();
}
END_TEST

START_TEST(a_write_of_nothing_is_an_error_and_no_loop) {
    ck_open(OH_FILE_WRITE);
    struct iovec iov = {.iov_base = content, .iov_len = 0};
    ck_assert_int_eq(oh_file_writev(&file, 0, &iov, 1, &done, &error_number), OH_OK);
    ck_assert_int_eq(calls, 0);
    for (int count = 1; count < 3; count++) {
        calls = 0;
        faults[0] = -3;
        faults[1] = NOTHING;
        cut(content, pieces, 4, 10);
        ck_assert_int_eq(oh_file_writev(&file, 0, pieces, count == 1 ? 1 : 4, &done, &error_number),
                         OH_ERRNO);
        ck_assert_int_eq(error_number, EIO);
        ck_assert_uint_eq(done, 3);
    }
    leave_and_close();
}
END_TEST

START_TEST(reads_need_read_and_writes_need_write) {
    struct iovec iov = {.iov_base = content, .iov_len = 1};
    ck_open(OH_FILE_READ);
    ck_assert_int_eq(oh_file_writev(&file, 0, &iov, 1, &done, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EBADF);
    ck_assert_int_eq(oh_file_truncate(&file, 0, &error_number), OH_ERRNO);
    leave_and_close();
    ck_open(OH_FILE_APPEND);
    ck_assert_int_eq(oh_file_readv(&file, 0, &iov, 1, false, &done, &error_number), OH_ERRNO);
    ck_assert_int_eq(error_number, EBADF);
    leave_and_close();
}
END_TEST

START_TEST(truncating_and_syncing) {
    static char bytes[BYTES];
    ck_open(OH_FILE_READ | OH_FILE_WRITE);
    ck_assert_int_eq(oh_file_truncate(&file, 10, &error_number), OH_OK);
    ck_assert_int_eq(oh_file_truncate(&file, 20, &error_number), OH_OK);
    struct iovec iov = {.iov_base = bytes, .iov_len = BYTES};
    ck_assert_int_eq(oh_file_readv(&file, 0, &iov, 1, false, &done, &error_number), OH_OK);
    ck_assert_uint_eq(done, 20);
    ck_assert_int_eq(memcmp(bytes, content, 10), 0);
    ck_assert_int_eq(memcmp(bytes + 10, "\0\0\0\0\0\0\0\0\0\0", 10), 0);
    ck_assert_int_eq(oh_file_sync(&file, false, &error_number), OH_OK);
    ck_assert_int_eq(oh_file_sync(&file, true, &error_number), OH_OK);
    interrupt_others = true;
    ck_assert_int_eq(oh_file_sync(&file, true, &error_number), OH_OK);
    ck_assert(!interrupt_others);
    leave_and_close();
}
END_TEST

/* --- Closing --- */

START_TEST(closing_waits_for_the_last_worker) {
    char byte;
    bool finisher = true;
    ck_open(OH_FILE_READ);
    int fd = file.fd;
    ck_assert_int_eq(oh_file_enter(&file), OH_OK);
    ck_assert_int_eq(oh_file_close(&file, &finisher), OH_OK);
    ck_assert(!finisher);
    ck_assert_int_eq(oh_file_close(&file, &finisher), OH_CLOSED);
    ck_assert_int_eq(oh_file_enter(&file), OH_CLOSED);
    ck_assert(!oh_file_leave(&file));
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    ck_assert_int_eq(oh_file_readv(&file, 5, &iov, 1, false, &done, &error_number), OH_OK);
    ck_assert_int_eq(byte, content[5]);
    ck_assert_int_ge(fcntl(fd, F_GETFD), 0);
    ck_assert(oh_file_leave(&file));
    ck_assert_int_eq(oh_file_finish(&file), 0);
    ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
}
END_TEST

START_TEST(closing_can_be_left_to_the_reaper) {
    for (int memory = 0; memory < 2; memory++) {
        bool finisher = false;
        ck_open(OH_FILE_READ);
        int fd = file.fd;
        ck_assert(!oh_file_leave(&file));
        ck_assert_int_eq(oh_file_close(&file, &finisher), OH_OK);
        ck_assert(finisher);
        suite_allocations_left = memory; /* without, it is closed at once */
        oh_file_finish_later(&file);
        suite_allocations_left = SUITE_NO_LIMIT;
        ck_assert_int_eq(fcntl(fd, F_GETFD), memory ? 0 | FD_CLOEXEC : -1);
        ck_assert_int_eq(oh_reaper_start(), OH_OK);
        oh_reaper_stop();
        ck_assert_int_eq(fcntl(fd, F_GETFD), -1);
    }
}
END_TEST

int main(void) {
    TCase *tcase = tcase_create("file");
    tcase_add_checked_fixture(tcase, setup, teardown);
    tcase_add_test(tcase, only_regular_files_open);
    tcase_add_test(tcase, a_refused_pipe_loses_nothing);
    tcase_add_test(tcase, what_is_there_is_kept_or_emptied);
    tcase_add_test(tcase, reads_are_whole_up_to_the_end);
    tcase_add_test(tcase, any_number_of_pieces);
    tcase_add_test(tcase, places_beyond_what_files_have_are_einval);
    tcase_add_test(tcase, interruptions_and_short_counts_are_gone_on_from);
    tcase_add_test(tcase, an_error_says_how_much_came_before);
    tcase_add_test(tcase, without_waiting_it_is_all_or_busy);
    tcase_add_test(tcase, a_full_disk_takes_a_part);
    tcase_add_test(tcase, a_write_of_nothing_is_an_error_and_no_loop);
    tcase_add_test(tcase, reads_need_read_and_writes_need_write);
    tcase_add_test(tcase, truncating_and_syncing);
    tcase_add_test(tcase, closing_waits_for_the_last_worker);
    tcase_add_test(tcase, closing_can_be_left_to_the_reaper);
    Suite *suite = suite_create("oh_file");
    suite_add_tcase(suite, tcase);
    return suite_run(suite);
}
