# What proves the figures of docs/reliability.md: by length, by number, and by builds that find what tests cannot.

# The catalogue of known attacks and failures: how many tests each row has, by client and by protocol.
# CATALOGUE_ARGS=--write writes docs/catalogue.md anew.
.PHONY: catalogue
catalogue: build
	$(BIN)/python -m tests.catalogue $(CATALOGUE_ARGS)

# Proof by length and number, on Linux. `soak` takes MINUTES, or SOAK_ARGS="--requests 10000000 --only h1"; it fails on a
# crossed or lost answer, an undocumented error, a leak, or memory that grows. Its figures and its plot go to SOAK_OUT.
# `scale` needs 10,100 open files a process (ulimit -Hn); SCALE_ARGS=--quick needs less. `bombs` prints what each costs.
.PHONY: soak scale bombs
MINUTES ?= 10
SOAK_OUT ?= build
soak: build servers
	@mkdir -p $(SOAK_OUT)
	$(BIN)/python -m tests.soak $(if $(SOAK_ARGS),$(SOAK_ARGS),--minutes $(MINUTES)) \
		--json $(SOAK_OUT)/soak.json --svg $(SOAK_OUT)/soak.svg

scale: build
	$(BIN)/python -m tests.scale $(SCALE_ARGS)

bombs: build
	$(BIN)/python -m tests.bombs

# A parser under libFuzzer with AddressSanitizer and UndefinedBehaviorSanitizer: TARGET as in tests/fuzz/targets.py, RUNS
# executions in all. Needs Linux, Python 3.11 to 3.13 and clang. Builds into build/fuzz, beside the ordinary build.
.PHONY: fuzz
TARGET ?= h1
RUNS ?= 1000000
FUZZ := build/fuzz
FUZZ_PYTHON := $(FUZZ)/venv/bin/python

fuzz: build $(FUZZ)/built
	$(FUZZ_PYTHON) -m tests.fuzz $(TARGET) --runs $(RUNS)

$(FUZZ)/ready: pyproject.toml
	@command -v clang >/dev/null || if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends clang >/dev/null; \
	else echo "clang is not installed"; exit 1; fi
	$(PYTHON) -m venv $(FUZZ)/venv
	$(FUZZ_PYTHON) -m pip --disable-pip-version-check install --quiet --upgrade "pip>=25.1"
	$(FUZZ_PYTHON) -m pip --disable-pip-version-check install --quiet --group fuzz certifi idna publicsuffixlist
	$(FUZZ_PYTHON) -m pip --disable-pip-version-check install --quiet "setuptools>=77" "Cython>=3.1,<4"
	touch $@

$(FUZZ)/built: $(FUZZ)/ready $(SOURCES) $(shell find httpfast -name '*.py') $(wildcard tests/fuzz/native/*.pyx)
	HTTPFAST_BUILD=fuzz CC=clang $(FUZZ_PYTHON) setup.py -q build --build-base $(FUZZ) --build-lib $(FUZZ)/lib \
		--build-temp $(FUZZ)/temp
	touch $@

.PHONY: faults

# Faults by a proxy, each against every client, version of HTTP and way: a table, and exit code 1 if a cell fails. REPEAT=25 runs
# all of it so often; FAULTS_ARGS="--svg docs/img/faults.svg" draws it. `make test` has a slice.
REPEAT ?= 1
faults: build
	$(BIN)/python -m tests.faults --repeat $(REPEAT) $(FAULTS_ARGS)

.PHONY: cancels threads

# Every step of every scenario cancelled, interrupted or made to fail; then CANCELS requests cancelled at random, under
# contention, on asyncio, uvloop and trio, over HTTP/1.1 and HTTP/2. `make test` runs a slice of both.
CANCELS ?= 1000000
cancels: build servers
	HTTPFAST_CANCELS=all $(BIN)/python -m pytest -q tests/faults/test_cancellation.py tests/faults/test_interrupts.py
	$(BIN)/python -W error -m tests.faults.random_cancels --cancels $(CANCELS)

# One client shared by 32 threads for so many seconds, over HTTP/1.1 and then HTTP/2. `make test` runs a slice.
SECONDS ?= 60
threads: build servers
	$(BIN)/python -W error -m tests.faults.many_threads --seconds $(SECONDS)

# Builds that find what tests cannot. Each lies in build/NAME, so that the release build stays what it is, and is imported
# from there: the folder of the sources, which has a build of its own in it, comes behind. Tests of linear time and of memory
# know the release build's: AddressSanitizer keeps what is freed.
.PHONY: sanitize valgrind coverage nomemory
VARIANT_TESTS := tests/engine tests/pool tests/drivers tests/http2 --ignore=tests/http2/test_real_servers.py -k 'not uvloop and not linear_time and not and_no_memory'
VARIANT_OPTIONS := --import-mode=append -o pythonpath= -o timeout=300 -p no:cacheprovider
define variant
HTTPFAST_BUILD=$(1) $(BIN)/python setup.py -q build --build-lib build/$(1) --build-temp build/objects-$(1) 2>build/$(1).log \
	|| { cat build/$(1).log; exit 1; }
endef
in_variant = PYTHONSAFEPATH=1 PYTHONPATH="$(CURDIR)/build/$(1):$(CURDIR)"

# AddressSanitizer and UndefinedBehaviorSanitizer. The first report ends the run, and goes past pytest's capture. Leaks are
# not looked for: what CPython keeps until the process ends would be reported by the thousand.
sanitize: build
	@mkdir -p build
	$(call variant,sanitize)
	LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libubsan.so)" PYTHONMALLOC=malloc \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 $(call in_variant,sanitize) \
		$(BIN)/python -m pytest $(VARIANT_OPTIONS) --capture=sys $(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(VARIANT_TESTS))

# Memcheck, on the release build: the code that ships, whose indices nothing checks. Any error that is not CPython's own
# (tests/valgrind.supp) fails.
VALGRIND_TESTS := tests/engine --ignore=tests/engine/test_any_split.py --ignore=tests/engine/test_oracles.py \
	--ignore=tests/engine/test_h2_oracle.py --ignore=tests/engine/test_hpack_oracles.py \
	--ignore=tests/engine/test_h2_any_octets.py
valgrind: build
	@command -v valgrind >/dev/null || if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind libc6-dbg >/dev/null; \
	else echo "valgrind is not installed"; exit 1; fi
	@mkdir -p build
	PYTHONMALLOC=malloc valgrind --quiet --error-exitcode=99 --leak-check=no --num-callers=25 \
		--suppressions=tests/valgrind.supp --log-file=build/valgrind.log \
		$(BIN)/python -m pytest -o timeout=0 -p no:cacheprovider -q $(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(VALGRIND_TESTS)) \
		|| { cat build/valgrind.log; exit 1; }

# Lines of the core and of httpfast/*.py that the tests reach; fails below 95 % of the engines' lines. Python 3.11 or 3.12.
# What traces lines runs between a call of the system's and its errno, and takes the exceptions of signals' handlers for its
# own: tests of those are left out.
TRACEABLE := not uvloop and not linear_time and not and_no_memory and not signal and not reset_under_many_writers
coverage: build servers
	$(PIP) install --quiet --group coverage
	@mkdir -p build
	$(call variant,coverage)
	$(call in_variant,coverage) $(BIN)/python -m coverage erase
	$(call in_variant,coverage) $(BIN)/python -m coverage run -m pytest $(VARIANT_OPTIONS) -q \
		$(if $(PYTEST_ARGS),$(PYTEST_ARGS),$(VARIANT_TESTS) tests/faults tests/api -k '$(TRACEABLE)')
	$(call in_variant,coverage) $(BIN)/python -m tests.coverage_table

# Every allocation of 44 scenarios fails in turn; `make test` has a slice of it.
nomemory: build
	SHORT_OF_MEMORY=all $(BIN)/python -m pytest -q -p no:cacheprovider tests/faults/test_short_of_memory.py $(PYTEST_ARGS)
