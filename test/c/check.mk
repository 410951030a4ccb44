# The core's own tests, without the BEAM: every test/c/check_<x>.c is a Check suite of c_src/core/oh_<x>,
# built plain and, with the other compiler, under ASan + UBSan; every test/c/stress_<x>.c is a threaded
# stress that runs under TSan. The core is compiled once for each of the three.

CHECK_OBJ    := _build/check
CHECK_SUITES := $(patsubst test/c/check_%.c,%,$(wildcard test/c/check_*.c))
STRESS       := $(patsubst test/c/stress_%.c,%,$(wildcard test/c/stress_*.c))
CHECK_CFLAGS  = $(STD) -Werror $(shell $(PKG_CONFIG) --cflags check) $(SODIUM_CFLAGS) -g -O1 -Ic_src/core -Itest/c
CHECK_LIBS    = $(shell $(PKG_CONFIG) --libs check) $(SODIUM_LIBS) -lm -ldl

PLAIN = clang
ASAN  = gcc -fsanitize=address,undefined -fno-sanitize-recover=all
TSAN  = gcc -fsanitize=thread

.PHONY: check
check: check-plain check-asan stress

.PHONY: check-plain check-asan stress
check-plain: $(CHECK_SUITES:%=$(CHECK_OBJ)/plain/check_%.ran)
check-asan: $(CHECK_SUITES:%=$(CHECK_OBJ)/asan/check_%.ran)
stress: $(STRESS:%=$(CHECK_OBJ)/tsan/stress_%.ran)

# $(1): the folder; $(2): the variable with its compiler.
define check_variant
CHECK_CORE_$(1) := $$(CORE_SRC:c_src/core/%.c=$$(CHECK_OBJ)/$(1)/%.o)

$$(CHECK_OBJ)/$(1)/oh_%.o: c_src/core/oh_%.c
	@mkdir -p $$(@D)
	@$$($(2)) $$(CHECK_CFLAGS) -MMD -MP -c -o $$@ $$<

$$(CHECK_OBJ)/$(1)/%.o: test/c/%.c
	@mkdir -p $$(@D)
	@$$($(2)) $$(CHECK_CFLAGS) -MMD -MP -c -o $$@ $$<

$$(CHECK_OBJ)/$(1)/%: $$(CHECK_OBJ)/$(1)/%.o $$(CHECK_CORE_$(1))
	@$$($(2)) $$(CHECK_CFLAGS) -o $$@ $$^ $$(CHECK_LIBS)

-include $$(wildcard $$(CHECK_OBJ)/$(1)/*.d)
endef

$(eval $(call check_variant,plain,PLAIN))
$(eval $(call check_variant,asan,ASAN))
$(eval $(call check_variant,tsan,TSAN))

.SECONDARY:

# Run each; the .ran file is never made, so that they run every time. A machine that does other things
# may need longer than Check's four seconds a test.
$(CHECK_OBJ)/%.ran: $(CHECK_OBJ)/%
	CK_DEFAULT_TIMEOUT=120 $<
