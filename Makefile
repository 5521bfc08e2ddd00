# What developers type. `make help` lists it.

SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
ready := node_modules/.ready

# What buf breaking compares with: a git ref of this repository.
BREAKING_AGAINST ?= main

.PHONY: help demo test up gen check bench clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-7s %s\n' "$$name" "$$text"; done

demo: $(ready) ## follow a dollar: webhook to ledger to course access, in real processes
	@node dev/demo.ts

test: $(ready) ## every test: unit, integration, end to end
	@node dev/test.ts

up: $(ready) ## start everything and stay; Ctrl-C stops it
	@node dev/up.ts

gen: $(ready) ## regenerate gen/ from proto/
	buf format -w
	buf generate

check: $(ready) ## format, lint, types, contracts, freshness of gen/, house rules
	@node dev/check.ts --against $(BREAKING_AGAINST)

bench: $(ready) ## measure, as ratios in one run; a table and JSON
	@node bench/run.ts

clean: ## remove what was installed and generated here, databases included
	@if [ -x node_modules/.bin/node ]; then node dev/clean.ts; else rm -rf .bursar .cache; fi

# Node itself is one of the packages, so an older node with npm is enough to start.
# An old npm's node warns about engines; what runs afterwards is the one installed.
$(ready): package.json package-lock.json
	@npm ci --loglevel=error
	@touch $@
