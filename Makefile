# "make run" and "make test" need only python3 and make: anything else that is missing is installed or named.

.DEFAULT_GOAL := help
.PHONY: help run test test-kernels bench fuzz screenshots wheel clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

run: ## set up, and open Paddock on the sample policies
	@scripts/setup.sh run
	@.venv/bin/paddock sample_policies/

test: ## set up, and run all checks and tests
	@scripts/setup.sh test
	@scripts/test.sh

test-kernels: ## test on other kernels from Debian, in QEMU
	@scripts/packages.sh kernels
	@$$(scripts/interpreter.sh) -m tests.kernels

bench: ## measure startup, editing and tracing against their goals
	@scripts/setup.sh test
	@.venv/bin/python -m tests.benchmarks

fuzz: ## corrupt policies at random for ten minutes, looking for failures and hangs
	@scripts/setup.sh test
	@.venv/bin/python -m tests.fuzz

screenshots: ## redraw screenshots/
	@scripts/setup.sh screenshots
	@.venv/bin/python scripts/screenshots.py

wheel: ## build dist/*.whl
	@scripts/setup.sh run
	@.venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove all generated files
	rm -rf .venv dist build fuzz-findings snapshot_report.html .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
