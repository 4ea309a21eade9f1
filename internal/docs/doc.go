// Package docs owns the parts of the documents that are made from the code, so
// that a document cannot promise what the code does not do.
//
//	ekaf.OptionTable ─┐
//	events.go ────────┤                 README.md
//	worker.RulingOf ──┼──► tables ──►   docs/errors.md        between
//	Machine × 4 ──────┤                 docs/architecture.md  <!-- made: NAME --> and <!-- end -->
//	metrics.Table ────┤                 docs/metrics.md
//	gatewayprom.Table ┤
//	gateway's tables ─┘                 docs/gateway.md
//
//	README.md, docs/*.md ──► blocks of Go ──► gofmt, go build, and the README's program is run
//
// Its tests fail when a document and the code differ. After a change of the code:
//
//	go test ./internal/docs -run TestDocs -update
package docs
