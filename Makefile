# Bare `make` prints this help. Every target works on a fresh machine with Go, gcc, make and git.
.DEFAULT_GOAL := help
SHELL := /bin/bash -o pipefail
BIN := bin
PROGRAMS := gtc-csi-provider gtc-deployer gtc-exec
# Without grpcnotrace, gRPC links the page that it could show its calls on, whose templates call methods by name: the linker then keeps every
# method of every type, which is a fifth of the provider's program and 2 MiB of its resident memory.
SMALL := -trimpath -tags=grpcnotrace -ldflags='-s -w'
GO_BUILD := CGO_ENABLED=0 go build $(SMALL)
TOOL := go tool -modfile=$(CURDIR)/test/tools/go.mod

##@ Show
.PHONY: demo
demo: build ## The product's main job on real parts, from nothing, with timings (REVEAL=1 shows values, KEEP=1 leaves it up)
	cd test && go run ./demo -programs $(CURDIR)/$(BIN)

.PHONY: demo-kind
demo-kind: image-content-$(shell go env GOHOSTARCH) ## The same on a kind cluster from nothing (REVEAL=1, KEEP=1 as above); needs a Docker engine
	cd test && go run ./demo/kind -root $(CURDIR)

##@ Check
.PHONY: test test-unit test-lab
test: test-unit test-lab ## Every test: unit and wire, then integration on the lab

test-unit: ## Unit and wire tests of the product, with -race
	go test -race ./...

test-lab: lab ## The lab, and integration on it at poll intervals 0s and 2m, with -race
	cd test && go test -race -count=1 -p 1 -timeout 60m ./...

SOAK ?= 20m
SEED ?= $(shell echo $$RANDOM)

.PHONY: soak
soak: lab ## Twenty minutes of random faults under mounted pods, or SOAK=5m, after the plan of SEED (a new one each time)
	cd test && SOAK='$(SOAK)' SEED='$(SEED)' go test -race -count=1 -v -timeout 0 -run TestSoak ./soak

.PHONY: bench
bench: lab build ## Speed beside the floor measured in the same run, and an hour of 10,000 pods simulated; tables, build/bench.json, fails under the bars
	cd test && go test -count=1 -v -run TestHour ./bench/hour -full
	cd test && go run ./bench -programs $(CURDIR)/$(BIN) -json $(CURDIR)/build/bench.json

.PHONY: e2e
e2e: image-content-$(shell go env GOHOSTARCH) ## Numbered suites on a kind cluster from nothing (KEEP=1 leaves it up); needs a Docker engine
	cd test && go run ./kind/cmd/cluster build && go test -tags e2e -count=1 -timeout 90m -v ./e2e

.PHONY: lint
lint: ## go vet and golangci-lint, in every module of ours
	go vet ./... && $(TOOL) golangci-lint run --allow-parallel-runners ./...
	cd test && go vet -tags e2e,image ./... && $(TOOL) golangci-lint run --allow-parallel-runners --build-tags e2e,image --config $(CURDIR)/.golangci.yml ./...

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

VERSION ?= dev
DOCKER ?= docker
IMAGES := ghcr.io/greenticai
IMAGE_ARCHS := amd64 arm64
# Nothing of the machine gets into the programs: not its paths, its settings of the go command or the time. Their version is the commit's.
IMAGE_ENV = GOOS=linux GOARCH=$* GOAMD64=v1 GOARM64=v8.0 CGO_ENABLED=0 GOWORK=off
IMAGE_BUILD := go build -mod=readonly -buildvcs=auto $(SMALL)
SBOM := GOFLAGS=-trimpath go tool -modfile=$(CURDIR)/test/tools/sbom/go.mod cyclonedx-gomod bin -json -noserial -notimestamp -std

.PHONY: image
image: image-content ## The two images for amd64 and arm64, tagged VERSION (default dev), and what they are checked for
	@if [ '$(VERSION)' = latest ]; then echo 'VERSION=latest says nothing, and makes a kubelet pull always: name a version' >&2; exit 2; fi
	@for arch in $(IMAGE_ARCHS); do \
		tag='$(VERSION)'; if [ $$arch != "$$(go env GOHOSTARCH)" ]; then tag="$$tag-$$arch"; fi; \
		for image in gtc-csi-provider:provider gtc-deployer:deployer; do \
			$(DOCKER) build --quiet --platform linux/$$arch --file Dockerfile --target $${image#*:} --tag $(IMAGES)/$${image%:*}:$$tag \
				--build-arg VERSION='$(VERSION)' --build-arg REVISION="$$(git rev-parse HEAD 2>/dev/null || echo unknown)" build/image/$$arch || exit 1; \
		done; done
	cd test && IMAGE_TAG='$(VERSION)' DOCKER='$(DOCKER)' go test -tags image -count=1 -v -run TestImages ./image

.PHONY: image-content
# What the images hold: static programs, licences and SBOMs, into build/image.
image-content: $(addprefix image-content-,$(IMAGE_ARCHS))
	@cd build/image && for program in */gtc-*; do echo "$$(sha256sum $$program), $$(stat -c %s $$program) bytes"; done

image-content-%: build/notices
	@rm -rf build/image/$* && mkdir -p build/image/$*/provider build/image/$*/deployer
	$(IMAGE_ENV) $(IMAGE_BUILD) -o build/image/$*/ $(addprefix ./cmd/,$(PROGRAMS))
	@cp LICENSE build/image/$*/provider/ && cp LICENSE build/image/$*/deployer/
	@$(IMAGE_ENV) build/notices ./cmd/gtc-csi-provider ./cmd/gtc-exec >build/image/$*/provider/NOTICES
	@$(IMAGE_ENV) build/notices ./cmd/gtc-deployer >build/image/$*/deployer/NOTICES
	@for program in provider/gtc-csi-provider provider/gtc-exec deployer/gtc-deployer; do \
		$(SBOM) -output build/image/$*/$$program.cdx.json build/image/$*/$${program#*/} || exit 1; done

.PHONY: build/notices
build/notices:
	@cd test && go build -o ../build/notices ./image/notices

.PHONY: chart
chart: lab ## The Helm chart: lint and tests on the lab, then the package in build/
	cd test && go test -race -count=1 ./helm ./chart
	cd test && go tool -modfile=tools/helm/go.mod helm package ../chart --destination ../build

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
