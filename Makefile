# make demo     from a fresh clone to a served page; DEMO_LOG=FILE.xes.gz, DEMO_SCALE=F and PORT=N are passed on
# make test     everything the tests need, and the tests
# make check    style, types and the rule of who may look at whom
# make bench    the speed table, rivals beside ours
# make setup    only .venv, with `mingjian` and `mingjian-verify` in .venv/bin
# make lock     the requirements files anew, after a change of dependencies in pyproject.toml

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench lock clean

# Programs are started by the hundred: none shall compile itself anew each time.
unexport PYTHONDONTWRITEBYTECODE

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

help:
	@sed -n '/^$$/q; s/^# //p' $(firstword $(MAKEFILE_LIST))

setup: .venv/.stamp

# The installed set is exactly the locked one: every file with its hash, then ourselves without more.
.venv/.stamp: pyproject.toml requirements.txt requirements-model.txt | .venv/bin/python
	@echo "Installing what requirements.txt locks into .venv …"
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --require-hashes --no-deps -r requirements-model.txt
	@$(PIP) install --no-deps -e .
	@touch $@

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(call apt,python3-venv)
	@$(PYTHON) -m venv .venv

demo: setup
	@exec $(BIN)/mingjian up --demo

test: setup .venv/.system-stamp
	@$(BIN)/pytest -n 3 --dist loadscope

check: setup
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m api.translations

bench: setup .venv/.bench-stamp
	@$(BIN)/python -m tests.bench --kills

.venv/.bench-stamp: requirements-bench.txt | .venv/.stamp
	@echo "Installing the rivals into .venv …"
	@$(PIP) install --require-hashes -r requirements-bench.txt
	@touch $@

# An RTSP server that plays cameras.
GSTREAMER := python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-tools gstreamer1.0-plugins-base \
	gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly

# What the tests want of the system: a browser with Chinese letters for the pages, an RTSP server, and Debian's own
# PostgreSQL as a second version beside the package's (the tests do without where there is none).
.venv/.system-stamp: | .venv/.stamp
	@command -v chromium chromium-browser google-chrome >/dev/null || $(call apt,chromium)
	@[ -n "$$(find /usr/share/fonts /usr/local/share/fonts "$$HOME/.fonts" \
		-iname '*cjk*' -print -quit 2>/dev/null)" ] || $(call apt,fonts-noto-cjk)
	@/usr/bin/python3 -c 'import gi; gi.require_version("GstRtspServer", "1.0")' 2>/dev/null \
		&& gst-inspect-1.0 x264enc >/dev/null 2>&1 || $(call apt,$(GSTREAMER))
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || $(call apt_if_any,postgresql-15)
	@touch $@

# $(call apt,PACKAGES): install them where we may, else say what to do.
define apt
{ if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing $(1) …"; \
	apt-get -qq update && \
	DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $(1) >/dev/null; \
else \
	echo "$(1) is missing. Install it and try again, on Debian with: sudo apt-get install $(1)" >&2; exit 1; \
fi; }
endef

# The same for what can be done without: only where it is to be had for the asking.
define apt_if_any
{ if [ "$$(id -u)" = 0 ] && apt-cache show $(1) >/dev/null 2>&1; then $(call apt,$(1)); \
else echo "Without $(1): the tests run on one version of PostgreSQL only."; fi; }
endef

# Hashed, for every platform, and without the address of any package index.
LOCK := uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --extra server --extra camera --extra dev

lock:
	@command -v uv >/dev/null || { echo "uv is needed for this: pip install uv" >&2; exit 1; }
	@$(LOCK) --output-file requirements.txt
	@$(LOCK) --extra bench --constraint requirements.txt --output-file requirements-bench.txt

clean:
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage*
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
