# What this repository can do, one line each. `make` alone lists it.
# Variables: GO (the Go command), FUZZTIME (per fuzz target), BENCH (arguments
# of the benchmark), TREE (the source tree that the demo audits).

GO       ?= $(shell command -v go || echo /usr/local/go/bin/go)
export GO
FUZZTIME ?= 10s
BENCH    ?=
TREE     ?= $(shell $(GO) env GOROOT)/src

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.release=$(VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## install what building, testing and benchmarks need
	@scripts/setup demo test bench

.PHONY: build
build: ## build bin/bulkhead and bin/bulkhead-init
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/bulkhead ./cmd/bulkhead
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w' -o bin/bulkhead-init ./cmd/bulkhead-init

.PHONY: demo
demo: ## audit a source tree in sandboxes, with one hostile step
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@scripts/demo '$(TREE)'

.PHONY: test
test: ## all tests, as this user and, when root, as an ordinary user too
	@scripts/test

.PHONY: check
check: ## format, vet, staticcheck, generated files, import table, other platforms
	@scripts/check

.PHONY: generate
generate: ## write the generated files anew
	$(GO) generate ./...

.PHONY: fuzz-short
fuzz-short: ## run every fuzz target for FUZZTIME
	@FUZZTIME=$(FUZZTIME) scripts/fuzz

.PHONY: bench
bench: build ## measure against the peers; writes bench/results/
	@scripts/setup bench
	@$(GO) run ./bench -cli bin/bulkhead -out bench/results $(BENCH)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
