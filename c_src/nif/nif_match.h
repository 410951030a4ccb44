/*
 * nif_match: match specifications, compiled, and run on what the store holds.
 *
 * A specification is a list of clauses {Head, Guards, Body}. What ETS makes of them is the
 * emulator's erl_db_util.c; here is another way to the same answers, that works on the words of
 * cells and on terms in arenas where they lie. Only what a body returns is copied.
 *
 * The compiler takes what it is sure of. All else (functions it does not have, malformed
 * specifications, more than its limits) it leaves to the emulator: `general` says so, and the
 * caller runs ets:match_spec_compile/1, which also raises the errors. What cannot be told before
 * it runs, such as a sum beyond 64 bits, makes a run end with MATCH_GENERAL: the object is then
 * matched by the emulator.
 *
 * Code
 *
 *   A clause is a row of instructions. Those of the head take the object apart, those of the
 *   guards and the body work on a stack of values. Operands are {base, index}: base 0 are
 *   registers, base 1 the object's elements, the others the elements of tuples that the head took
 *   apart; nothing is moved to bind a variable, a variable is an operand. When an instruction
 *   fails, the next clause is tried.
 *
 * Time: a run costs about the instructions of the clauses that it tries, plus what comparing and
 * copying terms takes (match_run_t.cost counts).
 */
#ifndef NIF_MATCH_H
#define NIF_MATCH_H

#include "nif_store.h"

/* Limits, beyond which the emulator does it. */
#define MATCH_BASES     32
#define MATCH_REGISTERS 64
#define MATCH_STACK     64
#define MATCH_VARIABLES 64
#define MATCH_DEPTH     32   /* of expressions, and of patterns that are walked */
#define MATCH_CODE      4000 /* instructions of one clause */

#define MATCH_FEW_CLAUSES 2
#define MATCH_FEW_CODE    16

/* Base of the operand that is the object itself. Atoms are compared as words, as all immediates. */
#define MATCH_OBJECT 0xff

/* Functions of guards and bodies: name, arity, operation. */
#define MATCH_FUNCTIONS(_)                                                                         \
    _(eq_exact, 2, EQ_EXACT)                                                                       \
    _(eq, 2, EQ)                                                                                   \
    _(ne_exact, 2, NE_EXACT)                                                                       \
    _(ne, 2, NE)                                                                                   \
    _(lt, 2, LT)                                                                                   \
    _(le, 2, LE)                                                                                   \
    _(gt, 2, GT)                                                                                   \
    _(ge, 2, GE)                                                                                   \
    _(not_, 1, NOT)                                                                                \
    _(xor_, 2, XOR)                                                                                \
    _(is_atom, 1, IS_ATOM)                                                                         \
    _(is_integer, 1, IS_INTEGER)                                                                   \
    _(is_float, 1, IS_FLOAT)                                                                       \
    _(is_number, 1, IS_NUMBER)                                                                     \
    _(is_binary, 1, IS_BINARY)                                                                     \
    _(is_list, 1, IS_LIST)                                                                         \
    _(is_tuple, 1, IS_TUPLE)                                                                       \
    _(is_map, 1, IS_MAP)                                                                           \
    _(is_pid, 1, IS_PID)                                                                           \
    _(is_port, 1, IS_PORT)                                                                         \
    _(is_reference, 1, IS_REFERENCE)                                                               \
    _(is_function, 1, IS_FUNCTION)                                                                 \
    _(is_map_key, 2, IS_MAP_KEY)                                                                   \
    _(is_record, 3, IS_RECORD)                                                                     \
    _(map_get, 2, MAP_GET)                                                                         \
    _(element, 2, ELEMENT)                                                                         \
    _(hd, 1, HD)                                                                                   \
    _(tl, 1, TL)                                                                                   \
    _(size, 1, SIZE)                                                                               \
    _(length, 1, LENGTH)                                                                           \
    _(map_size, 1, MAP_SIZE)                                                                       \
    _(byte_size, 1, BYTE_SIZE)                                                                     \
    _(bit_size, 1, BIT_SIZE)                                                                       \
    _(plus, 2, ADD)                                                                                \
    _(minus, 2, SUBTRACT)                                                                          \
    _(times, 2, MULTIPLY)                                                                          \
    _(divide, 2, DIVIDE)                                                                           \
    _(div, 2, DIV)                                                                                 \
    _(rem, 2, REM)                                                                                 \
    _(band, 2, BAND)                                                                               \
    _(bor, 2, BOR)                                                                                 \
    _(bxor, 2, BXOR)                                                                               \
    _(bsl, 2, BSL)                                                                                 \
    _(bsr, 2, BSR)                                                                                 \
    _(bnot, 1, BNOT)                                                                               \
    _(plus, 1, PLUS)                                                                               \
    _(minus, 1, MINUS)                                                                             \
    _(abs, 1, ABS)                                                                                 \
    _(round, 1, ROUND)                                                                             \
    _(trunc, 1, TRUNC)                                                                             \
    _(float_, 1, FLOAT)                                                                            \
    _(self, 0, SELF)

typedef enum {
    /* heads: the operand is base and index */
    MATCH_TUPLE,  /* a tuple of arity n, whose elements become base `to` */
    MATCH_LIST,   /* a cell, whose head and tail go to the registers to and to + 1 */
    MATCH_MAP,    /* a map of at least n pairs */
    MATCH_KEY,    /* a map with the key term, whose value goes to the register to */
    MATCH_WORD,   /* the immediate term */
    MATCH_TERM,   /* the term */
    MATCH_DOUBLE, /* a float of the same bits as term */
    MATCH_SAME,   /* the same as the operand {to, n} */
    /* guards and bodies */
    MATCH_TRUE,       /* pops true */
    MATCH_CATCH,      /* from here on failures are values */
    MATCH_RETURN,     /* pops the clause's value */
    MATCH_PUSH,       /* the operand */
    MATCH_CONSTANT,   /* term */
    MATCH_CONS,       /* of the two on top */
    MATCH_MAKE_TUPLE, /* of the n on top */
    MATCH_MAKE_MAP,   /* of the n keys and values on top, keys first */
    MATCH_AND,        /* of the n on top */
    MATCH_OR,
    MATCH_ANDALSO, /* pops true, or leaves what there is and skips n */
    MATCH_ORELSE,
#define MATCH_FUNCTION_OP(name, arity, op) MATCH_##op,
    MATCH_FUNCTIONS(MATCH_FUNCTION_OP)
#undef MATCH_FUNCTION_OP
} match_op_t;

typedef struct {
    uint8_t op;
    uint8_t base;
    uint8_t to;
    uint32_t index, n;
    ERL_NIF_TERM term;
} match_code_t;

/* --- Which keys a specification can match --- */

typedef enum {
    MATCH_NOTHING, /* none */
    MATCH_KEYS,    /* these */
    MATCH_RANGE,   /* those between the bounds and of the prefix, for tables in order */
    MATCH_ALL
} match_reach_t;

typedef enum { MATCH_UNBOUND, MATCH_INCLUSIVE, MATCH_EXCLUSIVE } match_bound_t;

typedef struct {
    match_reach_t reach;
    uint32_t count, room; /* of keys */
    ERL_NIF_TERM *keys;   /* no two of them equal */
    match_bound_t lower_bound, upper_bound;
    ERL_NIF_TERM lower, upper;
    bool has_prefix;
    ERL_NIF_TERM prefix; /* a pattern of the key */
} match_keys_t;

/* --- Specifications --- */

typedef struct {
    bool general;      /* not for run */
    bool by_order;     /* keys are compared by ==, as in an ordered_set, and those behind the bounds
                        * of a range are not run */
    uint32_t count;    /* clauses */
    uint32_t *clauses; /* where each begins in the code, and where the last one ends */
    uint32_t length;   /* of the code */
    match_code_t *code;
    match_keys_t keys;
    /* Where clauses and code are, if they are few: a look-up by select should not have to
     * allocate. */
    uint32_t few_clauses[MATCH_FEW_CLAUSES + 1];
    match_code_t few_code[MATCH_FEW_CODE];
} match_spec_t;

/* Compiles a term of env, to which the result, which must not be moved, refers: it lasts as long
 * as env. Terms made on the way are env's, too. STEP_DIRTY: too long for this scheduler;
 * STEP_ENOMEM. Otherwise STEP_OK, and the caller ends it with match_free. */
step_t match_compile(ErlNifEnv *env, ERL_NIF_TERM term, uint32_t keypos, bool by_order,
                     match_spec_t *spec);
void match_free(match_spec_t *spec);

/* Where a key stands: before (-1), among (0) or behind (1) those that the specification can match,
 * in the order of terms. So a tree seeks the first key that is not before, and ends at the first
 * behind. */
int match_place(ErlNifEnv *env, const match_keys_t *keys, ERL_NIF_TERM key);

/* Of a range: the gap before its first key, or behind its last one, as a key
 * for a tree, which refers to *gap and keys. *bounded is false if the range has no end there.
 * STEP_DIRTY: comparing takes too long here; STEP_ENOMEM. */
step_t match_gap(ErlNifEnv *env, const match_keys_t *keys, bool behind, nif_order_gap_t *gap,
                 oh_key_t *key, bool *bounded);

/* A specification for the store's keys, compiled as a resource, with a copy of the term; false:
 * memory is out. term was compiled before where the caller is. */
bool match_make(ErlNifEnv *env, ERL_NIF_TERM term, const store_t *store, ERL_NIF_TERM *result);
/* What is behind such a term, or NULL. */
const match_spec_t *match_get(ErlNifEnv *env, ERL_NIF_TERM term);

/* --- For the compiler's files --- */

/* The number of a variable, as in '$1'; MATCH_NO_VARIABLE, or MATCH_BAD_VARIABLE for such as are
 * too large. */
enum { MATCH_NO_VARIABLE = -1, MATCH_BAD_VARIABLE = -2 };
int match_variable(ErlNifEnv *env, ERL_NIF_TERM term);

typedef struct {
    int number;
    uint8_t base;
    uint32_t index;
} match_variable_t;

typedef struct {
    ErlNifEnv *env;
    match_spec_t *spec;
    uint32_t code_room;
    uint64_t work, work_limit; /* terms looked at; beyond the limit nothing is compiled */
    bool enomem;
    uint32_t keypos;
    /* of the clause at hand */
    int key_variable; /* that stands for the whole key, or MATCH_NO_VARIABLE */
    uint32_t bases, registers, variables, stack;
    match_variable_t variable[MATCH_VARIABLES]; /* by number */
} match_compiler_t;

/* Whether a pattern has neither variables, '_' nor maps in it; then it matches what is =:= to it,
 * but for floats, which are left out unless with_floats. False too if it nests deeper than depth
 * and MATCH_DEPTH. */
bool match_is_ground(match_compiler_t *c, ERL_NIF_TERM term, bool with_floats, uint32_t depth);

/* Appends an instruction; NULL: no room. */
match_code_t *match_emit(match_compiler_t *c, match_op_t op);

/* The head's code. False: not for here. */
bool match_compile_head(match_compiler_t *c, ERL_NIF_TERM head);

typedef enum {
    EXPRESSION_CODE,     /* its code was emitted: it pushes one value */
    EXPRESSION_CONSTANT, /* *constant; nothing was emitted */
    EXPRESSION_GENERAL   /* not for here */
} match_expression_t;

match_expression_t match_compile_expression(match_compiler_t *c, ERL_NIF_TERM term, uint32_t depth,
                                            ERL_NIF_TERM *constant);
const match_variable_t *match_find_variable(const match_compiler_t *c, int number);

/* Adds what the clause, whose head was compiled, can match to keys. False: memory is out. */
bool match_add_keys(match_compiler_t *c, const ERL_NIF_TERM clause[3]);
/* Whether the clause's guard says no more than a bound of its keys. */
bool match_is_bound(match_compiler_t *c, ERL_NIF_TERM guard);
/* After the last clause. */
void match_end_keys(match_spec_t *spec);

/* --- Running --- */

typedef enum { MATCH_NO, MATCH_YES, MATCH_GENERAL } match_outcome_t;

/* Where a value's term is. */
typedef enum {
    VALUE_TERM,    /* anywhere */
    VALUE_OWN,     /* in the environment that is built in, or immediate */
    VALUE_INTEGER, /* not yet a term */
    VALUE_DOUBLE
} match_where_t;

typedef struct {
    match_where_t where;
    union {
        ERL_NIF_TERM term;
        ErlNifSInt64 integer;
        double number;
    };
} match_value_t;

typedef struct {
    const match_spec_t *spec;
    const store_t *store;
    ErlNifEnv *env;     /* the caller's */
    ErlNifEnv *scratch; /* for what guards build, and flat keys; or NULL */
    uint32_t scratched; /* terms in scratch, about */
    bool keep;          /* bodies build in the caller's environment */
    uint64_t cost;      /* in units of about 5 ns */
    /* of the entry at hand */
    const oh_entry_t *entry;
    ErlNifEnv *out;      /* where guards or body build */
    bool catches;        /* in a body: failures are values */
    ERL_NIF_TERM object; /* in scratch, or OH_WORD_NONE */
    uint32_t arity;      /* of the object */
    const ERL_NIF_TERM *base[MATCH_BASES];
    ERL_NIF_TERM element[FLAT_ARITY > 2 ? FLAT_ARITY : 2]; /* of the object, if not elsewhere */
    ERL_NIF_TERM reg[MATCH_REGISTERS];
    match_value_t stack[MATCH_STACK];
} match_run_t;

/* Runs of spec, which is not general, on entries of store. With keep, values are terms of env;
 * without, they last until the next run. match_stop ends it. */
void match_start(match_run_t *run, const match_spec_t *spec, const store_t *store, ErlNifEnv *env,
                 bool keep);
void match_stop(match_run_t *run);

/* Runs on an entry; the caller is pinned. MATCH_YES: *value is the body's value. */
match_outcome_t match_run(match_run_t *run, const oh_entry_t *entry, ERL_NIF_TERM *value);

/* --- For the runner's files --- */

/* The environment for what does not last. NULL when memory is out. */
ErlNifEnv *match_scratch(match_run_t *run);

/* The value as a term, wherever it is; in the environment that is built in. */
ERL_NIF_TERM match_term(match_run_t *run, const match_value_t *value);
ERL_NIF_TERM match_own(match_run_t *run, const match_value_t *value);

/* Of keys that come again the last counts. */
ERL_NIF_TERM match_make_map(ErlNifEnv *env, ERL_NIF_TERM *keys, ERL_NIF_TERM *values,
                            uint32_t count);

/* A function of the arguments, which it replaces: arguments[0] becomes the result. MATCH_NO: it
 * fails. */
match_outcome_t match_call(match_run_t *run, match_op_t op, match_value_t *arguments);
match_outcome_t match_arithmetic(match_run_t *run, match_op_t op, match_value_t *arguments);

#endif
