# What there is to do, in words; the scripts do it.

.DEFAULT_GOAL := help
BIN := .venv/bin

.PHONY: help setup demo test second-opinion torture check format bench docs

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing into .venv
	@sh scripts/setup.sh

demo: ## back up, change, back up, check, restore and compare a real tree
	@sh scripts/demo.sh

test: ## all tests
	@sh scripts/test.sh

second-opinion: ## the S3 target on another server, Ceph's gateway, which is installed where it is missing
	@sh scripts/second-opinion.sh

torture: setup ## the tests that search for faults, for an hour or as long as DRORCH_EXAMPLES makes it; seeds are printed
	DRORCH_TORTURE=1 $(BIN)/python -m pytest -q -s tests/machine tests/catalog/test_writers.py tests/crash/test_kill_daemon.py

check: setup ## lint, types, floors and house rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m pytest -q -n 2 tests/house

format: ## put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup ## side by side with restic and borg
	$(BIN)/python -m benchmarks

docs: setup ## write the generated pages and the example configuration anew
	$(BIN)/python -m drorch.cli.reference docs
	$(BIN)/python -m drorch.config.reference .
