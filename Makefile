# Offheap's one Makefile: the native build that Mix (the compiler in mix.exs) and rebar3 (pre_hooks)
# call, and the targets for people.
#
#   make            build the NIF library and the port program into priv/ (or $MIX_APP_PATH/priv)
#   make static     priv/offheap_nif.a, to be linked into an emulator (configure
#                   --enable-static-nifs=.../offheap_nif.a); libsodium comes with the emulator's LIBS
#   make demo       install what is missing, build, run the inventory of a file tree
#   make test       install what is missing, build, run every test
#   make lint       formats, warnings, analysers alone
#   make matrix     make test on Debian 12, 13 and sid, as root (MATRIX="trixie": only that)
#   make bench      paired benchmarks against OTP (QUICK=1: short)
#   make benchee    the same scenarios under Benchee (needs hex)
#   make scaling    what an operation costs as tables grow, beside ETS
#   make instructions   the core's hot paths in instructions, against those kept
#
# Honoured: CC AR CFLAGS CPPFLAGS LDFLAGS CROSSCOMPILE MIX_APP_PATH ERTS_INCLUDE_DIR
# ERL_EI_INCLUDE_DIR ERL_EI_LIBDIR PKG_CONFIG, and pkg-config's own variables. With them set, as
# Nerves does, nothing is asked of the machine that builds.

ifdef MIX_APP_PATH
PRIV := $(MIX_APP_PATH)/priv
OBJ  := $(MIX_APP_PATH)/obj
else
PRIV := priv
OBJ  := _build/native
endif

ifeq ($(origin CC),default)
CC := $(if $(CROSSCOMPILE),$(CROSSCOMPILE)-gcc,cc)
endif
ifeq ($(origin AR),default)
AR := $(if $(CROSSCOMPILE),$(CROSSCOMPILE)-ar,ar)
endif
PKG_CONFIG ?= pkg-config
CFLAGS     ?= -O2 -g
SHELL      := /bin/sh

# Where Erlang's headers are; Mix passes these in, else erl is asked (once, and only by targets that
# compile against them).
erl_path = $(shell erl -noshell -eval 'io:format("~ts", [$(1)]), halt().' 2>/dev/null)
ERTS_INCLUDE_DIR   ?= $(call erl_path,filename:join([code:root_dir(), "usr", "include"]))
ERL_EI_INCLUDE_DIR ?= $(call erl_path,code:lib_dir(erl_interface, include))
ERL_EI_LIBDIR      ?= $(call erl_path,code:lib_dir(erl_interface, lib))

# What is built for, which need not be what builds.
TARGET := $(shell $(CC) -dumpmachine 2>/dev/null || uname -s | tr A-Z a-z)
ifneq ($(findstring darwin,$(TARGET)),)
SHARED := -bundle -undefined dynamic_lookup
else
# nodelete: see upgrade in nif_main.c.
SHARED := -shared -Wl,-z,nodelete
# Functions of the emulator are called through their addresses: one jump less a call.
NO_PLT := -fno-plt
endif

STD          := -std=gnu11 -Wall -Wextra -fPIC -fvisibility=hidden -pthread $(NO_PLT)
SODIUM_CFLAGS = $(shell $(PKG_CONFIG) --cflags libsodium)
SODIUM_LIBS   = $(shell $(PKG_CONFIG) --libs libsodium)

CORE_SRC := $(wildcard c_src/core/*.c)
NIF_SRC  := $(wildcard c_src/nif/*.c)
PORT_SRC := $(wildcard c_src/port/*.c)
CORE_OBJ := $(CORE_SRC:%.c=$(OBJ)/%.o)
NIF_OBJ  := $(NIF_SRC:%.c=$(OBJ)/%.o)
PORT_OBJ := $(PORT_SRC:%.c=$(OBJ)/%.o)

NIF_LIB     := $(PRIV)/offheap_nif.so
NIF_ARCHIVE := $(PRIV)/offheap_nif.a
STATIC_OBJ  := $(OBJ)/static/nif_main.o
PORT_BIN    := $(PRIV)/offheap_port

.PHONY: native
native: headers $(NIF_LIB) $(PORT_BIN)

# One line that says what to install, instead of a page of compiler errors.
.PHONY: headers
headers:
	@$(PKG_CONFIG) --exists libsodium 2>/dev/null || { \
	  echo "offheap: libsodium not found by $(PKG_CONFIG): install libsodium-dev and pkg-config (Debian, Ubuntu), libsodium-devel (Fedora) or libsodium (Homebrew)" >&2; exit 1; }
	@test -f "$(ERTS_INCLUDE_DIR)/erl_nif.h" || { \
	  echo "offheap: erl_nif.h not found in '$(ERTS_INCLUDE_DIR)': install erlang-dev (Debian, Ubuntu), erlang-devel (Fedora), or set ERTS_INCLUDE_DIR" >&2; exit 1; }
	@test -f "$(ERL_EI_INCLUDE_DIR)/ei.h" || { \
	  echo "offheap: ei.h not found in '$(ERL_EI_INCLUDE_DIR)': install erlang-dev (Debian, Ubuntu), erlang-erl_interface (Fedora), or set ERL_EI_INCLUDE_DIR" >&2; exit 1; }

# A new file takes the old one's name: written in place, it would change under a VM that runs it.
$(NIF_LIB): $(CORE_OBJ) $(NIF_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) $(SHARED) -o $@.new $^ $(LDFLAGS) $(SODIUM_LIBS) -pthread -lm -ldl
	@mv $@.new $@

# As the library, but that its entry has the name which the emulator's table of static NIFs gives it.
.PHONY: static
static: headers $(NIF_ARCHIVE)

$(NIF_ARCHIVE): $(CORE_OBJ) $(filter-out %/nif_main.o,$(NIF_OBJ)) $(STATIC_OBJ)
	@mkdir -p $(@D)
	@rm -f $@
	$(AR) rcs $@ $^

$(STATIC_OBJ): c_src/nif/nif_main.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(CPPFLAGS) $(SODIUM_CFLAGS) -I$(ERTS_INCLUDE_DIR) \
	    -DSTATIC_ERLANG_NIF_LIBNAME=offheap_nif -MMD -MP -c -o $@ $<

$(PORT_BIN): $(CORE_OBJ) $(PORT_OBJ)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@.new $^ $(LDFLAGS) -L$(ERL_EI_LIBDIR) -lei $(SODIUM_LIBS) -pthread -lm -ldl
	@mv $@.new $@

$(OBJ)/c_src/core/%.o: c_src/core/%.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(CPPFLAGS) $(SODIUM_CFLAGS) -MMD -MP -c -o $@ $<

$(OBJ)/c_src/nif/%.o: c_src/nif/%.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(CPPFLAGS) $(SODIUM_CFLAGS) -I$(ERTS_INCLUDE_DIR) -MMD -MP -c -o $@ $<

$(OBJ)/c_src/port/%.o: c_src/port/%.c
	@mkdir -p $(@D)
	$(CC) $(STD) $(CFLAGS) $(CPPFLAGS) $(SODIUM_CFLAGS) -I$(ERL_EI_INCLUDE_DIR) -MMD -MP -c -o $@ $<

-include $(CORE_OBJ:.o=.d) $(NIF_OBJ:.o=.d) $(PORT_OBJ:.o=.d) $(STATIC_OBJ:.o=.d)

.PHONY: clean
clean:
	rm -rf _build $(NIF_LIB) $(NIF_ARCHIVE) $(PORT_BIN)

include test/c/check.mk
include people.mk
