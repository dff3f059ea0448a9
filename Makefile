# The ways into this project; `make` alone lists them.

# Everything that Ansible, pip and the checkers keep stays in the clone.
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
export ANSIBLE_HOME := $(CURDIR)/.cache/ansible
export PIP_CACHE_DIR := $(CURDIR)/.cache/pip
export XDG_CACHE_HOME := $(CURDIR)/.cache

LAB_PACKAGES := python3-venv $(shell sed '/^#/d' lab/packages.txt)
CHECK_PACKAGES := ca-certificates git mount openssl procps python3-venv zstd
TEST_PACKAGES := $(sort $(CHECK_PACKAGES) $(LAB_PACKAGES) chromium fonts-liberation)
BENCH_PACKAGES := $(sort $(CHECK_PACKAGES) $(LAB_PACKAGES) lynis)

.PHONY: help demo test check venv generate mutate bench clean root
.DEFAULT_GOAL := help

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | expand -t 12

demo: root  ## show the whole way on a throwaway fleet: audit, harden, audit again (root)
	@tools/debian-packages "the demo" $(LAB_PACKAGES)
	@tools/venv run
	@lab/lab demo

test: root  ## do all that CI does (root)
	@tools/debian-packages "the tests" $(TEST_PACKAGES)
	@tools/venv dev
	@.venv/bin/python tests/run.py all

check:  ## do the part of the tests that needs no hosts
	@tools/debian-packages "the checks" $(CHECK_PACKAGES)
	@tools/venv dev
	@.venv/bin/python tests/run.py check

venv:  ## make .venv, with what develops and tests the collection
	@tools/venv dev

generate:  ## write the files that are generated from the option tables
	@tools/venv dev
	@.venv/bin/python tools/generate.py

mutate: root  ## stub every check to "pass" and see the tests fail (root)
	@tools/debian-packages "the tests" $(TEST_PACKAGES)
	@tools/venv dev
	@.venv/bin/python tests/mutate.py

bench: root  ## measure the audit and the report, into reports/bench.json (root)
	@tools/debian-packages "the measurements" $(BENCH_PACKAGES)
	@tools/venv dev
	@.venv/bin/python tests/bench/bench.py

clean:  ## end the lab and remove all that was made here, but the Debian packages
	@[ ! -d .lab ] || lab/lab clean
	@rm -rf .ansible .cache .collections .lab .venv reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

root:
	@[ "$$(id -u)" = 0 ] || { echo "error: the lab's hosts are containers that only root can make; as root, run: make $(MAKECMDGOALS)" >&2; exit 1; }
