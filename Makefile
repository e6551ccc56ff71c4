# Bare `make` prints this help. Every target works on a fresh machine with Go, gcc, make and git.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
BIN := bin
PROGRAMS := gtc-csi-provider gtc-deployer gtc-exec
GO_BUILD := CGO_ENABLED=0 go build -trimpath -ldflags='-s -w'
TOOL := go tool -modfile=$(CURDIR)/test/tools/go.mod

##@ Show
.PHONY: demo
demo: build ## The product's main job on real parts, from nothing, with timings (REVEAL=1 shows values, KEEP=1 leaves it up)
	cd test && go run ./demo -programs $(CURDIR)/$(BIN)

##@ Check
.PHONY: test test-unit test-lab
test: test-unit test-lab ## Every test: unit and wire, then integration on the lab

test-unit: ## Unit and wire tests of the product, with -race
	go test -race ./...

test-lab: lab ## The lab, and integration on it at poll intervals 0s and 2m, with -race
	cd test && go test -race -p 1 -timeout 60m ./...

.PHONY: bench
bench: lab build ## Speed beside the floor measured in the same run; prints a table, writes build/bench.json, fails under the bars
	cd test && go run ./bench -programs $(CURDIR)/$(BIN) -json $(CURDIR)/build/bench.json

.PHONY: lint
lint: ## go vet and golangci-lint, in every module of ours
	go vet ./... && $(TOOL) golangci-lint run --allow-parallel-runners ./...
	cd test && go vet ./... && $(TOOL) golangci-lint run --allow-parallel-runners --config $(CURDIR)/.golangci.yml ./...

.PHONY: vulncheck
vulncheck: ## govulncheck, where its database can be reached; says so where it cannot
	@out=$$($(TOOL) govulncheck ./... 2>&1); code=$$?; echo "$$out"; \
	if [ $$code -ne 0 ] && grep -qE 'fetching vulnerabilities|dial tcp|no such host|connection refused|Forbidden|proxyconnect' <<<"$$out"; then \
		echo 'govulncheck: SKIPPED, its database is not to be had here'; exit 0; fi; exit $$code

##@ Make
.PHONY: build
build: ## The three programs, into bin/
	@mkdir -p $(BIN)
	@for program in $(PROGRAMS); do $(GO_BUILD) -o $(BIN)/$$program ./cmd/$$program || exit 1; done

.PHONY: lab
lab: ## The lab's servers (etcd, kube-apiserver, Vault, CSI driver), compiled once into a cache
	cd test && go run ./lab/cmd/lab build

.PHONY: generate
generate: ## Everything that is generated: tables of the README, rendered examples, golden files
	go generate ./...
	cd test && go generate ./...

.PHONY: verify
verify: ## Generated files and go.mod are current
	go mod verify >/dev/null && go mod tidy -diff && (cd test && go mod tidy -diff)
	$(MAKE) --no-print-directory generate
	@git diff --exit-code --stat || { echo 'generated files are not current: run make generate and commit'; exit 1; }

.PHONY: help
help: ## This text
	@awk 'BEGIN {FS = ":.*## "; print "usage: make TARGET"} /^##@ / {printf "\n%s\n", substr($$0, 5)} /^[a-z0-9-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
