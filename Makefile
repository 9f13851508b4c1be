TOOL := go tool -modfile=go.tool.mod
# FUZZTIME is how long each fuzz target runs.
FUZZTIME ?= 20s

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

check: lint test ## what must pass before a commit

test: ## the tests, as the README says
	go test ./...

race: ## the tests under the race detector
	go test -race -timeout 20m ./...

cover: ## coverage of the whole by the whole
	go test -coverpkg=./... -coverprofile=cover.out ./... && go tool cover -func=cover.out | tail -1

lint: ## vet for every system we ship to, linters, dead code
	go vet ./... && GOOS=windows go vet ./... && GOOS=darwin go vet ./...
	go vet -tags faultpoints ./... && GOOS=windows go vet -tags faultpoints ./...
	test -z "$$($(TOOL) gofumpt -modpath vast-mcp -l .)"
	$(TOOL) golangci-lint run ./...
	$(TOOL) deadcode -test ./... | (! grep .)

fuzz: ## every fuzz target for FUZZTIME
	@for p in $$(go list ./...); do for f in $$(go test -list '^Fuzz' $$p | grep ^Fuzz); do \
	  echo $$p $$f; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; done; done

# FAULTS is how many seeded schedules of failures are played.
FAULTS ?= 10000

faults: ## FAULTS schedules of failures, crashes and clocks; a seed that fails is told and replays
	FAULTS=$(FAULTS) go test ./internal/faults -count 1 -timeout 0

golden: ## rewrite the golden files; read the difference before you commit it
	UPDATE_GOLDEN=1 go test ./tools ./internal/... .

docs: ## rewrite what the documentation shows of the program
	go run ./internal/docs

bench: ## start-up, call overhead and memory
	go run ./bench

PLATFORMS := linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64

dist: ## static binaries, bundles, registry entry and checksums for every system, in dist/
	rm -rf dist
	@for p in $(PLATFORMS); do export CGO_ENABLED=0 GOOS=$${p%/*} GOARCH=$${p#*/}; echo $$p; \
	  go build -trimpath -buildvcs=auto -ldflags '-s -w' -o dist/vast-mcp_$${GOOS}_$$GOARCH$$(go env GOEXE) . || exit 1; done
	go run ./packaging dist

dist-check: ## check what dist made, with the bundle format's own tool (needs npm)
	cd dist && sha256sum --quiet -c SHA256SUMS
	@tmp=$$(mktemp -d) && trap "rm -rf $$tmp" EXIT && npm install --silent --prefix $$tmp @anthropic-ai/mcpb@2.1.2 && \
	mcpb=$$tmp/node_modules/.bin/mcpb && for b in dist/*.mcpb; do \
	  $$mcpb info $$b && $$mcpb unpack $$b $$tmp/$$b && $$mcpb validate $$tmp/$$b/manifest.json || exit 1; done && \
	$$tmp/dist/vast-mcp_$$(go env GOOS)_$$(go env GOARCH).mcpb/server/vast-mcp version

conformance: ## the official MCP suite, from npm, against fixtures and the program
	internal/conformance/run.sh

.PHONY: help check test race cover lint fuzz faults golden docs bench dist dist-check conformance
