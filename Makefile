# `make` lists what can be done. Continuous integration calls nothing else.

# sudo may hide where Go is usually unpacked.
GO      ?= $(firstword $(shell command -v go) $(wildcard /usr/local/go/bin/go) go)
RELEASE ?= $(shell git describe --tags --exact-match 2>/dev/null | sed 's/^v//')
LDFLAGS := -s -w $(if $(RELEASE),-X main.release=$(RELEASE))
export CGO_ENABLED := 0

# Plugins that are programs of their own, found beside orchestrator.
SEPARATE := ./cmd/orchestrator-checker-sql

# Under sudo, git may refuse a checkout that belongs to somebody else; the build
# then does without the revision.
export GOFLAGS := $(GOFLAGS) -buildvcs=$(if $(shell git rev-parse HEAD 2>/dev/null),auto,false)

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/orchestrator and its separate plugins for this machine, and the module archives in dist/modules
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/orchestrator ./cmd/orchestrator
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ $(SEPARATE)
	@bin/orchestrator module archives dist/modules

.PHONY: cross
cross: ## the static binaries for all platforms, in dist/
	GOOS=linux   GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/orchestrator-linux-amd64 ./cmd/orchestrator
	GOOS=linux   GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/orchestrator-linux-arm64 ./cmd/orchestrator
	GOOS=windows GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/orchestrator-windows-amd64.exe ./cmd/orchestrator
	GOOS=linux   GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/plugins-linux-amd64/ $(SEPARATE)
	GOOS=linux   GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/plugins-linux-arm64/ $(SEPARATE)
	GOOS=windows GOARCH=amd64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/plugins-windows-amd64/ $(SEPARATE)

.PHONY: demo
demo: root ## a farm of three servers in network namespaces loses one, and another (JSON=1: as one JSON document)
	@$(MAKE) -s --no-print-directory build >/dev/null
	@bin/orchestrator lab demo $(if $(JSON),--json)

.PHONY: test
test: root deps check cross ## everything, as root, with the network tests
	$(GO) test -timeout 40m $$($(GO) list ./... | grep -v '/core/lab/accept$$')
	$(GO) test -timeout 40m ./core/lab/accept # alone: clients there notice a few milliseconds

.PHONY: browser
browser: ## use the web console in Debian's chromium, which is installed for it
	@$(MAKE) -s --no-print-directory deps PACKAGES='chromium:chromium chromium-driver:chromedriver'
	$(GO) test -tags browser -count=1 -run Browser ./cmd/orchestrator

.PHONY: check
check: ## format, vet (Linux and Windows), staticcheck
	@out=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$out" || { echo "gofmt would change:"; echo "$$out"; exit 1; }
	$(GO) vet ./...
	GOOS=windows $(GO) vet ./...
	$(GO) tool staticcheck ./...

.PHONY: bench
bench: root bench-deps ## the figures of docs/benchmarks.md, measured on this machine
	$(GO) run ./core/lab/bench -json docs/benchmarks.json -table docs/benchmarks.md

.PHONY: update
update: ## rewrite golden files and scenarios; review the diff
	UPDATE=1 $(GO) test ./core/config ./core/hook ./cmd/orchestrator
	UPDATE=1 $(GO) test ./plugins/filter/ebpf -run TestGolden # needs root
	$(GO) test ./core/simtest -rewrite
	$(GO) test ./core/lab/demo -update

.PHONY: generate
generate: ## the protocol's Go code (protoc) and the packet filter's objects (clang 14)
	$(GO) generate ./sdk/... ./plugins/...

.PHONY: root
root:
	@test "$$(id -u)" = 0 || { echo "this needs root: network namespaces and packet filters are made; try: sudo make $(MAKECMDGOALS)"; exit 1; }

# What the tests use besides Go: a real nginx, everyday clients of a farm, xmllint, database servers, and what works on a replicated directory.
PACKAGES := nginx-light:nginx curl:curl iputils-ping:ping iproute2:ip nftables:nft bind9-dnsutils:dig dnsmasq-base:dnsmasq socat:socat iperf3:iperf3 \
	postgresql:psql mariadb-server:mariadb-install-db dbus-daemon:dbus-daemon arping:arping ndisc6:ndisc6 libxml2-utils:xmllint sqlite3:sqlite3 fio:fio dbench:dbench stress-ng:stress-ng attr:setfattr acl:setfacl
# What make bench measures beside ours.
BENCH_PACKAGES := wrk:wrk haproxy:haproxy keepalived:keepalived postgresql:pg_lsclusters iptables:iptables-legacy glusterfs-server:glusterd

.PHONY: bench-deps
bench-deps:
	@$(MAKE) -s --no-print-directory deps PACKAGES='$(PACKAGES) $(BENCH_PACKAGES)'

.PHONY: deps
deps:
	@missing=; for p in $(PACKAGES); do PATH=$$PATH:/usr/sbin command -v $${p#*:} >/dev/null || missing="$$missing $${p%%:*}"; done; \
	test -z "$$missing" || { \
	  command -v apt-get >/dev/null || { echo "please install:$$missing"; exit 1; }; \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $$missing; }

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist
