# "make run" and "make test" need nothing but python3 and make: what else is missing is installed or named.

.DEFAULT_GOAL := help
.PHONY: help run test test-kernels bench fuzz screenshots wheel clean

help: ## list the goals
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 20

run: ## set up and open Paddock on the sample policies
	@scripts/setup.sh run
	@.venv/bin/paddock sample_policies/

test: ## set up and pass every check and test
	@scripts/setup.sh test
	@scripts/test.sh

test-kernels: ## try Paddock's claims on Debian's other kernels, in QEMU
	@scripts/packages.sh kernels
	@$$(scripts/interpreter.sh) -m tests.kernels

bench: ## measure start-up, editing and tracing against their goals
	@scripts/setup.sh test
	@.venv/bin/python -m tests.benchmarks

fuzz: ## spoil policies at random for ten minutes, and see what fails or hangs
	@scripts/setup.sh test
	@.venv/bin/python -m tests.fuzz

screenshots: ## draw screenshots/ again
	@scripts/setup.sh screenshots
	@.venv/bin/python scripts/screenshots.py

wheel: ## build dist/*.whl
	@scripts/setup.sh run
	@.venv/bin/python -m pip wheel --quiet --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean: ## remove everything that was made here
	rm -rf .venv dist build fuzz-findings snapshot_report.html .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
