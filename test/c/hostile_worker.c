/*
 * For test/support/port_chaos.ex: a worker program that echoes and, about once in so many requests,
 * does what no worker should: it dies in the middle of a reply, tears frames, answers twice or what
 * nobody asked, stops reading.
 *
 *     hostile_worker [--max-frame BYTES] --odds REQUESTS
 *
 * It trusts its input, which comes from offheap_port_worker: {Id, echo, Binary} in each term.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES 4
/* {Id, ok, and a binary's head. */
#define REPLY_HEAD_BYTES 17
#define FOREIGN_ID       77

static void read_all(uint8_t *where, size_t bytes) {
    while (bytes > 0) {
        ssize_t got = read(STDIN_FILENO, where, bytes);
        if (got <= 0)
            _exit(0);
        where += got;
        bytes -= (size_t)got;
    }
}

static void write_all(const uint8_t *from, size_t bytes) {
    while (bytes > 0) {
        ssize_t put = write(STDOUT_FILENO, from, bytes);
        if (put <= 0)
            _exit(0);
        from += put;
        bytes -= (size_t)put;
    }
}

static uint32_t get_u32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static void put_u32(uint8_t *at, uint32_t value) {
    at[0] = (uint8_t)(value >> 24);
    at[1] = (uint8_t)(value >> 16);
    at[2] = (uint8_t)(value >> 8);
    at[3] = (uint8_t)value;
}

static void pause_ms(long ms) {
    struct timespec time = {ms / 1000, (ms % 1000) * 1000000};
    (void)nanosleep(&time, NULL);
}

static void stop_for_good(void) {
    for (;;)
        pause();
}

/* A reply's frame, in *frame; its size. */
static size_t make_reply(uint8_t *frame, uint32_t id, const uint8_t *data, uint32_t size) {
    uint8_t *at = frame + HEADER_BYTES;
    put_u32(frame, REPLY_HEAD_BYTES + size);
    memcpy(at, (const uint8_t[]){131, 104, 3, 98}, 4);
    put_u32(at + 4, id);
    memcpy(at + 8, (const uint8_t[]){119, 2, 'o', 'k', 109}, 5);
    put_u32(at + 13, size);
    memcpy(at + REPLY_HEAD_BYTES, data, size);
    return HEADER_BYTES + REPLY_HEAD_BYTES + (size_t)size;
}

/* One of the things that should not be, instead of the reply. */
static void misbehave(uint8_t *frame, size_t bytes) {
    switch (rand() % 12) {
    case 0:
        _exit(7);
    case 1:
        write_all(frame, bytes / 2);
        _exit(0);
    case 2:
        write_all(frame, bytes - 1);
        stop_for_good();
        break;
    case 3:
        write_all(frame, bytes);
        write_all(frame, bytes);
        break;
    case 4:
        put_u32(frame + HEADER_BYTES + 4, FOREIGN_ID);
        write_all(frame, bytes);
        break;
    case 5:
        memset(frame + HEADER_BYTES, 0xA5, bytes - HEADER_BYTES);
        write_all(frame, bytes);
        break;
    case 6:
        write_all((const uint8_t[HEADER_BYTES]){0}, HEADER_BYTES);
        write_all(frame, bytes);
        break;
    case 7:
        put_u32(frame, (uint32_t)64 << 20);
        write_all(frame, bytes);
        _exit(0);
    case 8:
        (void)close(STDOUT_FILENO);
        pause_ms(20);
        _exit(0);
    case 9:
        (void)raise(SIGSEGV);
        break;
    case 10:
        pause_ms(50);
        write_all(frame, bytes);
        break;
    default:
        for (size_t i = 0; i < bytes && i < 100; i++)
            write_all(frame + i, 1);
        if (bytes > 100)
            write_all(frame + 100, bytes - 100);
    }
}

/* The request at at; where the next one begins. */
static const uint8_t *answer(const uint8_t *at, uint8_t *frame, int odds) {
    uint32_t id = get_u32(at + 4);
    /* The atom, as older and newer emulators write it. */
    at += 8;
    at += at[0] == 119 ? 2 + at[1] : 3 + (at[1] << 8 | at[2]);
    uint32_t size = get_u32(at + 1);
    size_t bytes = make_reply(frame, id, at + 5, size);
    if (rand() % odds == 0)
        misbehave(frame, bytes);
    else
        write_all(frame, bytes);
    return at + 5 + size;
}

int main(int argc, char *argv[]) {
    int odds = 64;
    for (int i = 1; i + 1 < argc; i += 2)
        if (strcmp(argv[i], "--odds") == 0)
            odds = atoi(argv[i + 1]);
    srand((unsigned)getpid());
    for (;;) {
        uint8_t header[HEADER_BYTES];
        read_all(header, sizeof header);
        size_t bytes = get_u32(header);
        uint8_t *body = malloc(bytes), *frame = malloc(bytes + 64);
        if (body == NULL || frame == NULL)
            _exit(1);
        read_all(body, bytes);
        for (const uint8_t *at = body; at < body + bytes;)
            at = answer(at, frame, odds);
        free(body);
        free(frame);
    }
}
