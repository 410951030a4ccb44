/*
 * oh_file under threads: workers enter, read and leave while the file is closed. Exactly one of all
 * is told that it is the finisher, when nobody is inside; and no read meets a descriptor that was
 * closed, or that another file has got since.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "oh_file.h"

enum { THREADS = 4, ROUNDS = 2000 };

static oh_file_t file;
static _Atomic unsigned finishers;
static _Atomic unsigned reads;
static pthread_barrier_t barrier;

#define expect(condition)                                                                          \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "stress_file: line %d: not " #condition "\n", __LINE__);               \
            exit(EXIT_FAILURE);                                                                    \
        }                                                                                          \
    } while (0)

static void read_one(void) {
    char byte = 0;
    uint64_t done;
    int error_number = 0;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    expect(oh_file_readv(&file, 0, &iov, 1, false, &done, &error_number) == OH_OK);
    expect(done == 1);
    expect(byte == 'x');
    oh_fetch_add_relaxed(&reads, 1);
}

static void finish(void) {
    oh_fetch_add_relaxed(&finishers, 1);
    expect(oh_file_finish(&file) == 0);
}

static void *work(void *arg) {
    bool closes = *(int *)arg < 2;
    for (int round = 0; round < ROUNDS; round++) {
        (void)pthread_barrier_wait(&barrier); /* open */
        for (int i = 0; oh_file_enter(&file) == OH_OK; i++) {
            read_one();
            bool finisher = false;
            if (closes && i == round % 5 && oh_file_close(&file, &finisher) == OH_OK)
                expect(!finisher); /* this thread is inside */
            if (oh_file_leave(&file))
                finish();
        }
        (void)pthread_barrier_wait(&barrier); /* closed */
    }
    return NULL;
}

int main(void) {
    char name[] = "/tmp/oh_file_stress_XXXXXX";
    int fd = mkstemp(name), error_number = 0, numbers[THREADS];
    pthread_t threads[THREADS];
    expect(write(fd, "x", 1) == 1);
    close(fd);
    expect(pthread_barrier_init(&barrier, NULL, THREADS + 1) == 0);
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i;
        expect(pthread_create(&threads[i], NULL, work, &numbers[i]) == 0);
    }
    for (int round = 0; round < ROUNDS; round++) {
        expect(oh_file_open(&file, name, OH_FILE_READ, &error_number) == OH_OK);
        (void)pthread_barrier_wait(&barrier);
        (void)pthread_barrier_wait(&barrier);
        expect(oh_load_relaxed(&finishers) == (unsigned)round + 1);
        expect(oh_load_relaxed(&file.word) == OH_FILE_CLOSED);
    }
    for (int i = 0; i < THREADS; i++)
        expect(pthread_join(threads[i], NULL) == 0);
    expect(oh_load_relaxed(&reads) >= ROUNDS);
    pthread_barrier_destroy(&barrier);
    unlink(name);
    printf("stress_file: %u reads\n", oh_load_relaxed(&reads));
    return EXIT_SUCCESS;
}
