# Everything here needs Go, make and a shell; e2e also needs root on Debian. CI runs the same targets.

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
ACTIONLINT  = github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
ARGO        = github.com/argoproj/argo-rollouts
SCRIPTS     = .github/install.sh .ci/run .ci/cover .ci/fuzz .ci/packages .ci/dist sandbox/fetch.sh examples/quickstart/demo.sh examples/blue-green/smoke.sh examples/objects/controller.sh \
	examples/buildkite/.buildkite/hooks/pre-exit

# The flags of `make bench`: it writes its table into the document that explains it.
BENCH ?= --neighbours 5000 --out docs/benchmarks.md

# The flags of `make bench-workloads` and `make bench-pods`: as above.
SCALE ?= --out docs/benchmarks.md

# The flags of `make accuracy`, `make trials`, `make crash` and `make exposure`: they write their tables into documents, too.
ACCURACY ?= --out docs/accuracy.md
TRIALS   ?= --out docs/trials.md
CRASH    ?= --out docs/reliability.md
EXPOSURE ?= --out docs/delivery.md

# Where `make sandbox` takes the sandbox from instead of building it, and its checksum: a URL, or the path of a file.
SANDBOX_ARCHIVE ?=
SANDBOX_SHA256  ?=

# How the sandbox is compiled: quickly, and as its components are, so that what they share is compiled once. The flags stand
# in sandbox/components as well; a test compares them.
SANDBOX_FLAGS = -trimpath '-gcflags=all=-l -c=1 -dwarf=false' -gcflags=std=-dwarf=false -ldflags '-s -w'

# For builds of much: compiler and linker use memory, two gigabytes each at most, before they collect garbage.
FAST = GOGC=$${GOGC:-off} GOMEMLIMIT=$${GOMEMLIMIT:-2GiB}

# The compiler that a release is made with, so that it is the same bytes everywhere.
TOOLCHAIN = $(shell awk '$$1 == "toolchain" { print $$2 }' release/go.mod)

# -args -update writes what the panels have shown into docs/dashboards.md, and draws docs/pictures/dashboard.svg.
DASHBOARDS ?=

# What waits for an API server is not faster for being inlined, but a tenth bigger: only the standard library is.
GCFLAGS = '-gcflags=all=-l -dwarf=false' -gcflags=std=-dwarf=false

export CGO_ENABLED = 0

.PHONY: help build sandbox components helm unit race backends prometheus dashboards cover fuzz chromium pictures test e2e accuracy trials crash exposure demo bench bench-peers bench-workloads bench-pods lint dist \
	dist-test checksums checksums-check sandbox-archive

help: ## show this help
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

build: ## build bin/rolloutgate
	$(FAST) go build -trimpath $(GCFLAGS) -ldflags "-s -w -X main.buildVersion=$(VERSION)" -o bin/rolloutgate ./cmd/rolloutgate

sandbox: ## build bin/sandbox, a Kubernetes control plane for this machine; or fetch SANDBOX_ARCHIVE, if SANDBOX_SHA256 is its checksum
	@if test -n "$(SANDBOX_ARCHIVE)"; then sandbox/fetch.sh "$(SANDBOX_ARCHIVE)" "$(SANDBOX_SHA256)" bin; \
	else echo "cd sandbox && go build -o ../bin/ . ./testapp"; rm -f bin/.sandbox-archive; \
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ . ./testapp; fi

components: # of the sandbox, which builds them itself when it needs them
	@bin/sandbox build >/dev/null

helm: ## build bin/helm, which the tests of commands wrap
	cd sandbox/helm && go build -trimpath -ldflags "-s -w" -o ../../bin/helm helm.sh/helm/v4/cmd/helm

unit: ## tests that need no cluster, and how long they take
	@go test -run '^$$' ./... >/dev/null # builds them, so that only their own time counts
	@begin=$$(date +%s); go test ./... && echo "unit tests: $$(($$(date +%s) - begin)) s; 60 s is the aim"

race: export CGO_ENABLED = 1
race: ## the same under the race detector, the sandbox's too (gcc)
	go test -race ./...
	cd sandbox && SANDBOX_E2E= go test -race ./...

backends: ## build bin/victoria-metrics and bin/thanos, which are asked what Prometheus is asked
	cd sandbox/backends/victoriametrics && go build -trimpath -ldflags "-s -w" -o ../../../bin/ github.com/VictoriaMetrics/VictoriaMetrics/app/victoria-metrics
	cd sandbox/backends/thanos && go build -tags slicelabels -trimpath -ldflags "-s -w" -o ../../../bin/ github.com/thanos-io/thanos/cmd/thanos

prometheus: sandbox backends ## tests on real Prometheus servers, one of each major version (Debian's package is the older one), and on what answers like them
	bin/sandbox build
	.ci/packages prometheus prometheus-pushgateway
	PATH="$(CURDIR)/bin:$$PATH" go test -tags prometheus -p 1 ./analysis/... ./internal/promtest ./gate/telemetry ./examples

dashboards: sandbox ## thirty releases, pushed and traced: are dashboard, alerts and spans what their reports say?
	.ci/packages prometheus prometheus-pushgateway
	cd sandbox/dashboards && go vet ./... && go test ./...
	cd sandbox/receiver && go vet ./...
	bin/sandbox run -- go test -tags cluster,prometheus -timeout 15m -run 'TestDashboards|TestTraces' ./cmd/rolloutgate $(DASHBOARDS)

cover: ## statement coverage of the engine, which is 90 % or more
	.ci/cover 90 ./gate

fuzz: ## every fuzz target of what reads files and records and writes back, 15,000 inputs each, and of reports and expressions, 3,000
	.ci/fuzz 15000 ./gate/manifest ./gate/order ./gate/patch ./gate/record
	.ci/fuzz 3000 ./gate/report ./gate/readiness

chromium: ## the HTML report in a real browser: each page, wide and narrow, light and dark
	.ci/packages chromium
	go test -tags chromium -run Chromium ./gate/report

pictures: ## the pictures of the documentation, of reports and runs that were recorded (chromium, tmux)
	go test -count 1 -run 'TestTerminalPictures|TestDocsTerminal' ./cmd/rolloutgate -update
	go test -tags chromium -count 1 -run TestPicturesInChromium ./gate/report -pictures "$(CURDIR)/docs/pictures"

test: sandbox helm ## all tests but e2e, against a real control plane with simulated nodes
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "gofmt -w $$unformatted"; exit 1; }
	go vet -tags cluster,realnode,prometheus,chromium ./...
	cd sandbox && go vet ./... && go test ./...
	bin/sandbox run -- go test -tags cluster -timeout 40m -parallel 4 ./...

e2e: sandbox ## tests with a real kubelet and real containers (root, Debian or Ubuntu)
	.ci/packages containerd runc containernetworking-plugins iptables conntrack docker-registry prometheus
	bin/sandbox run --real-node --nodes 0 -- go test -tags realnode -timeout 40m ./cmd/rolloutgate/...
	bin/sandbox run --real-node --nodes 1 -- go test -tags cluster,realnode -run RealNode ./gate/tunnel

accuracy: build sandbox ## is the named cause the right one? live cases, quiet ones too; flags in ACCURACY (root, as e2e)
	.ci/packages containerd runc containernetworking-plugins iptables conntrack docker-registry prometheus
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ ./accuracy
	bin/accuracy $(ACCURACY)

trials: build sandbox ## criteria on a real kubelet: each kind of fault, and a healthy noisy service, ten times (root, as e2e)
	.ci/packages containerd runc containernetworking-plugins iptables conntrack docker-registry prometheus
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ ./trials
	bin/trials $(TRIALS)

crash: build sandbox ## a run is killed, stopped, cut off at every write; is it put right by one command? flags in CRASH
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ ./crash
	bin/crash $(CRASH)

exposure: build sandbox ## how many requests meet a bad release, beside Argo Rollouts; flags in EXPOSURE (root, as e2e)
	.ci/packages containerd runc containernetworking-plugins iptables conntrack docker-registry prometheus
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ ./exposure
	cd sandbox/exposure/argo && go build -trimpath -o ../../../bin/ $(ARGO)/cmd/rollouts-controller
	bin/exposure --argo bin/rollouts-controller --argo-kinds "$$(cd sandbox/exposure/argo && go list -m -f '{{.Dir}}' $(ARGO))/manifests/crds" $(EXPOSURE)

demo: sandbox ## four rollouts, one good and three bad, in about two minutes; the first time it builds a control plane
	@$(MAKE) --no-print-directory -j 2 build components # neither keeps two cores busy to its end
	bin/sandbox run -- examples/quickstart/demo.sh

bench: build sandbox ## time, bytes and memory against kubectl; flags in BENCH
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ ./bench
	bin/sandbox run --optimized --nodes 20 -- bin/bench $(BENCH)

bench-peers: helm
	cd sandbox && $(FAST) go build $(SANDBOX_FLAGS) -o ../bin/ ./bench
	cd sandbox/bench/kapp && go build -trimpath -ldflags "-s -w" -o ../../../bin/ carvel.dev/kapp/cmd/kapp

bench-workloads: build sandbox bench-peers ## how the cost grows with the workloads of a run, beside kubectl, Helm and kapp; flags in SCALE
	bin/sandbox run --optimized --nodes 20 -- bin/bench --scale workloads --helm bin/helm --kapp bin/kapp $(SCALE)

bench-pods: build sandbox bench-peers ## how the cost grows with the pods of a Deployment, beside the same; flags in SCALE
	bin/sandbox run --optimized --nodes 20 -- bin/bench --scale pods --helm bin/helm --kapp bin/kapp $(SCALE)

lint: ## staticcheck, actionlint, shellcheck
	go run $(STATICCHECK) -tags cluster,realnode,prometheus,chromium ./...
	cd sandbox && go run $(STATICCHECK) ./...
	cd sandbox/dashboards && go run $(STATICCHECK) ./...
	cd sandbox/receiver && go run $(STATICCHECK) ./...
	cd release && go run $(STATICCHECK) -tags dist ./...
	go run $(ACTIONLINT) .github/workflows/*.yml examples/*/deploy.yml
	@if command -v shellcheck >/dev/null || test -n "$$CI"; then shellcheck $(SCRIPTS); else echo "shellcheck is not installed: skipped"; fi

dist: export GOTOOLCHAIN = $(TOOLCHAIN)
dist: ## all files of a release, in dist/; VERSION=v1.2.3 for one that has no tag yet
	cd release && go run . dist --version "$(VERSION)" --out ../dist

checksums: dist ## write what the action downloads into .github/checksums.txt, to be committed before the tag
	{ grep '^#' .github/checksums.txt; grep '[.]tar[.]gz$$' dist/checksums.txt; } >dist/committed && mv dist/committed .github/checksums.txt

checksums-check: ## are the files in dist/ those whose checksums were committed?
	grep -v '^#' .github/checksums.txt | { cd dist && sha256sum --check --strict -; }

dist-test: ## make dist twice, byte for byte the same? and does each file do what it is for? (root on Debian)
	.ci/dist

sandbox-archive: export GOTOOLCHAIN = $(TOOLCHAIN)
sandbox-archive: sandbox ## the sandbox with its components as one file in dist/, for SANDBOX_ARCHIVE
	components=$$(bin/sandbox build) && cd release && go run . sandbox --version "$(VERSION)" --out ../dist --components "$$components"
