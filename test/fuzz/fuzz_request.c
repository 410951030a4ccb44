/* Fuzz: any bytes as the body of a frame, as the worker program does it. Every length must be checked
 * against the frame, every reply must fit its buffer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../c_src/port/port_io.h"
#include "../../c_src/port/port_request.h"
#include "../../c_src/port/port_shared.h"

/* Jobs that write files, or take long or much memory whatever their input: not for any input. */
static const char *const left_out[] = {"encrypt_file", "decrypt_file", "argon2id"};

/* This process is the VM too: a segment that requests can name, of descriptor 100 and 65536 bytes. Its
 * inode cannot be chosen, so what stands for it in a request is put right. */
#define SEGMENT_FD    100
#define SEGMENT_BYTES 65536
static const uint8_t placeholder[] = {98, 15, 15, 15, 15};
static uint32_t inode;

static void make_segment(void) {
    struct stat stat;
    int fd = memfd_create("fuzz", MFD_ALLOW_SEALING);
    if (fd < 0 || ftruncate(fd, SEGMENT_BYTES) != 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0 ||
        dup2(fd, SEGMENT_FD) != SEGMENT_FD || fstat(fd, &stat) != 0)
        abort();
    inode = (uint32_t)stat.st_ino;
    port_shared_init((uint64_t)getpid(), 0);
}

static void put_inode(uint8_t *body, size_t size) {
    uint8_t *at;
    while (size > 0 && (at = memmem(body, size, placeholder, sizeof placeholder)) != NULL)
        for (int i = 1; i <= 4; i++)
            at[i] = (uint8_t)(inode >> (32 - 8 * i));
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    int ends[2];
    int null = open("/dev/null", O_WRONLY);
    /* Nothing ever comes from standard input, and it does not end. */
    if (null < 0 || pipe(ends) != 0 || dup2(ends[0], STDIN_FILENO) < 0 ||
        dup2(null, STDOUT_FILENO) < 0 || sodium_init() < 0)
        abort();
    port_io_init(1 << 20);
    make_segment();
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (size_t i = 0; i < sizeof left_out / sizeof left_out[0]; i++)
        if (memmem(data, size, left_out[i], strlen(left_out[i])) != NULL)
            return -1;
    /* A copy of its own, so that one byte too far is seen. */
    uint8_t *body = malloc(size);
    if (size > 0)
        memcpy(body, data, size);
    put_inode(body, size);
    (void)port_request_frame(body, size, false);
    port_io_flush();
    free(body);
    return 0;
}
