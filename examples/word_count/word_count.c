/* A job of one's own: lines and words of some bytes, like wc(1). */
#include <offheap_job.h>

typedef struct {
    uint64_t at; /* how far it has come */
    int64_t lines, words;
    bool in_word;
} state_t;

/* Bytes between two questions whether to go on: about 20 us. */
#define CHUNK_BYTES 16384

static void count_byte(state_t *s, uint8_t byte) {
    bool is_space = byte == ' ' || (byte >= '\t' && byte <= '\r');
    s->lines += byte == '\n';
    s->words += !is_space && !s->in_word;
    s->in_word = !is_space;
}

static offheap_step_t word_count(offheap_job_t *job) {
    state_t *s = job->state;
    const offheap_arg_t *data = &job->arg[0];
    while (s->at < data->size) {
        uint64_t from = s->at;
        uint64_t end = data->size - from < CHUNK_BYTES ? data->size : from + CHUNK_BYTES;
        while (s->at < end)
            count_byte(s, data->data[s->at++]);
        if (!offheap_go_on(job, end - from))
            return OFFHEAP_MORE;
    }
    offheap_result_integer(job, s->lines);
    offheap_result_integer(job, s->words);
    return OFFHEAP_DONE;
}

static const offheap_param_t params[] = {{.name = "data", .type = OFFHEAP_BYTES}};

static const offheap_job_def_t jobs[] = {{
    .name = "word_count",
    .run = word_count,
    .state_bytes = sizeof(state_t),
    .params = params,
    .param_count = 1,
    .units = offheap_units_bytes,
    .ns_per_unit = 1,
}};

OFFHEAP_JOBS(jobs)
