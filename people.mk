# Targets for people: each installs what is missing first.

PACKAGES := erlang-base erlang-dev erlang-crypto erlang-eunit erlang-parsetools erlang-tools \
            erlang-runtime-tools erlang-syntax-tools erlang-public-key erlang-snmp erlang-ssl erlang-inets \
            erlang-dialyzer elixir rebar3 erlang-proper libsodium-dev check spin pkg-config gcc clang libclang-rt-dev \
            clang-format clang-tidy cppcheck shellcheck make git

.PHONY: install
install:
	@sh test/install.sh $(PACKAGES)

.PHONY: build
build: install
	mix compile

.PHONY: demo
demo: build
	mix run examples/inventory.exs $(DEMO_PATH)

.PHONY: lint
lint: install
	sh test/lint.sh

.PHONY: test
test: install
	sh test/lint.sh
	$(MAKE) -j $(shell getconf _NPROCESSORS_ONLN) check
	sh test/models.sh
	sh test/fuzz/fuzz.sh
	mix test
	sh test/sanitize.sh
	sh test/packages.sh

.PHONY: matrix
matrix:
	sh test/matrix.sh $(MATRIX)

.PHONY: bench
bench: build
	mix run bench/run.exs $(if $(QUICK),--quick)

.PHONY: benchee
benchee: build
	cd bench && BENCHEE=1 mix do deps.get, run benchee.exs $(if $(QUICK),--quick)

.PHONY: scaling
scaling: build
	mix run bench/scaling.exs

# The core's hot paths in instructions, against those kept in the tree; KEEP=1 keeps the new ones.
KEPT  := bench/results/instructions.txt
PATHS := bench/instructions/paths.c

.PHONY: instructions
instructions: install $(CORE_OBJ)
	@sh test/install.sh valgrind
	@$(CC) $(STD) $(CFLAGS) $(CPPFLAGS) $(SODIUM_CFLAGS) -Ic_src/core -Itest/c -o $(OBJ)/paths $(PATHS) $(CORE_OBJ) \
	    $(LDFLAGS) $(SODIUM_LIBS) -lm -ldl
	@sh bench/instructions/compare.sh $(OBJ)/paths $(KEPT) \
	    "$$($(CC) --version | head -n 1), $(CFLAGS), $$(uname -m), $$(getconf GNU_LIBC_VERSION 2>/dev/null)" \
	    $(if $(KEEP),keep)
