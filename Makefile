# What developers type. `make help` lists it.

SHELL := /bin/bash
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)
ready := node_modules/.ready

# What buf breaking compares with: a git ref of this repository.
BREAKING_AGAINST ?= main

.PHONY: help demo test up identity gen client check bench conformance clean
.DEFAULT_GOAL := help

help: ## list the commands
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | \
	  while IFS=$$'\t' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done
	@printf '  %-16s %s\n' bin/bursar 'send, listen, deliveries, replay, sign, endpoints: webhooks by hand'

demo: $(ready) ## follow a dollar: webhook to ledger to course access, in real processes
	@node dev/demo.ts

test: $(ready) ## every test: unit, integration, end to end
	@node dev/test.ts

up: $(ready) ## start everything and stay; Ctrl-C stops it; TRACES=1 shows traces
	@node dev/up.ts

identity: $(ready) ## a certificate for a service of yours: make identity NAME=receipt-service
	@node dev/identity.ts "$(NAME)"

gen: $(ready) ## regenerate gen/, docs/reference/, deploy/kubernetes/ and the broker's users from proto/
	buf format -w
	buf generate
	@node dev/nats-config.ts
	@node contracts/reference/write.ts
	@node contracts/deployment/write.ts

client: $(ready) ## pack the contracts as an npm tarball: JavaScript, declarations, protos
	@node contracts/package/write.ts

check: $(ready) ## format, lint, types, contracts, freshness of gen/, house rules
	@node dev/check.ts --against $(BREAKING_AGAINST)

bench: $(ready) ## measure, as ratios in one run; a table and JSON
	@node bench/run.ts

conformance: $(ready) ## point the official Connect runner at our server and client; skipped without Go
	@node conformance/run.ts

clean: ## remove what was installed and generated here, databases included
	@if [ -x node_modules/.bin/node ]; then node dev/clean.ts; else rm -rf .bursar .cache; fi

# Node itself is one of the packages, so an older node with npm is enough to start.
# An old npm's node warns about engines; what runs afterwards is the one installed.
$(ready): package.json package-lock.json
	@npm ci --loglevel=error
	@touch $@
