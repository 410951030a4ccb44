# The core's own tests, without the BEAM: every test/c/check_<x>.c is a Check suite of c_src/core/oh_<x>,
# built plain, under ASan + UBSan, and with the other compiler; every test/c/stress_<x>.c is a threaded
# stress that runs under TSan.

CHECK_OBJ    := _build/check
CHECK_SUITES := $(patsubst test/c/check_%.c,%,$(wildcard test/c/check_*.c))
STRESS       := $(patsubst test/c/stress_%.c,%,$(wildcard test/c/stress_*.c))
CHECK_CFLAGS  = $(shell $(PKG_CONFIG) --cflags check) $(SODIUM_CFLAGS) -g -O1 -Ic_src/core -Itest/c
CHECK_LIBS    = $(shell $(PKG_CONFIG) --libs check) $(SODIUM_LIBS)
CORE_HDR     := $(wildcard c_src/core/*.h)

.PHONY: check
check: check-plain check-asan stress

.PHONY: check-plain check-asan stress
check-plain: $(CHECK_SUITES:%=$(CHECK_OBJ)/plain/check_%.ran)
check-asan: $(CHECK_SUITES:%=$(CHECK_OBJ)/asan/check_%.ran)
stress: $(STRESS:%=$(CHECK_OBJ)/tsan/stress_%.ran)

$(CHECK_OBJ)/plain/check_%: test/c/check_%.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	clang $(STD) -Werror $(CHECK_CFLAGS) -o $@ $< $(CORE_SRC) $(CHECK_LIBS)

$(CHECK_OBJ)/asan/check_%: test/c/check_%.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	gcc $(STD) -Werror $(CHECK_CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all \
	  -o $@ $< $(CORE_SRC) $(CHECK_LIBS)

$(CHECK_OBJ)/tsan/stress_%: test/c/stress_%.c $(CORE_SRC) $(CORE_HDR)
	@mkdir -p $(@D)
	gcc $(STD) -Werror $(CHECK_CFLAGS) -fsanitize=thread -o $@ $< $(CORE_SRC) $(CHECK_LIBS)

# Run each; the .ran file is never made, so that they run every time.
$(CHECK_OBJ)/%.ran: $(CHECK_OBJ)/%
	$<
