/* Every atom the library makes. ATOM(x) is the atom x; ATOM_NAMED(field, "x") where x is no C name. */

/* results */
ATOM(ok)
ATOM(error)
ATOM_NAMED(true_, "true")
ATOM_NAMED(false_, "false")
ATOM(undefined)

/* reasons, with those of the core's statuses */
#define OH_STATUS_ATOM(upper, lower) ATOM_NAMED(status_##lower, #lower)
OH_STATUS_MAP(OH_STATUS_ATOM)
#undef OH_STATUS_ATOM

/* atomics */
ATOM(size)
ATOM(max)
ATOM(min)
ATOM(memory)
