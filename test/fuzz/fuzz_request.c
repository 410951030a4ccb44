/* Fuzz: any bytes as the body of a frame, as the worker program does it. Every length must be checked
 * against the frame, every reply must fit its buffer. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../c_src/port/port_io.h"
#include "../../c_src/port/port_request.h"

/* Jobs that write files, or take long or much memory whatever their input: not for any input. */
static const char *const left_out[] = {"encrypt_file", "decrypt_file", "argon2id"};

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
    (void)port_request_frame(body, size, false);
    port_io_flush();
    free(body);
    return 0;
}
