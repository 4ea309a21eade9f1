package docs

import (
	"fmt"
	"regexp"
	"strings"
)

const end = "<!-- end -->"

// Splice puts a part that is made from the code into a document, between the
// marks that name it. What stood there is replaced.
func Splice(document, name, made string) (string, error) {
	begin := "<!-- made: " + name + " -->\n"
	before, rest, ok := strings.Cut(document, begin)
	if !ok {
		return "", fmt.Errorf("the document has no line %q", strings.TrimSpace(begin))
	}
	_, after, ok := strings.Cut(rest, end)
	if !ok {
		return "", fmt.Errorf("no %q follows the mark of %s", end, name)
	}
	return before + begin + made + end + after, nil
}

// Snippet is a block of Go in a document.
type Snippet struct {
	Line int // where it begins, from 1
	Text string
}

// Snippets finds the blocks of Go in a document: those fenced with ```go.
func Snippets(document string) (list []Snippet) {
	var current *Snippet
	for i, line := range strings.Split(document, "\n") {
		switch {
		case current == nil && line == "```go":
			current = &Snippet{Line: i + 2}
		case current != nil && line == "```":
			list, current = append(list, *current), nil
		case current != nil:
			current.Text += line + "\n"
		}
	}
	return list
}

// packages that a snippet may use without an import clause.
var packages = []string{
	"context", "crypto/tls", "crypto/x509", "encoding/json", "errors", "fmt", "log", "log/slog", "net/http", "os", "testing", "testing/synctest", "time",
	"github.com/ekaf-go/ekaf", "github.com/ekaf-go/ekaf/ekaftest", "github.com/ekaf-go/ekaf/ekafprom", "github.com/ekaf-go/ekaf/ekafotel", "github.com/ekaf-go/ekaf/gateway", "github.com/ekaf-go/ekaf/gateway/gatewayprom",
	"github.com/prometheus/client_golang/prometheus", "github.com/prometheus/client_golang/prometheus/promhttp",
}

// Program makes a file of a snippet that can be compiled. One that begins with
// a package clause is a file already. Of any other, declarations stay as they
// are and statements become the body of a function with the names ctx and p.
func (s Snippet) Program() string {
	if strings.HasPrefix(s.Text, "package ") {
		return s.Text
	}
	text := s.Text
	if !declares(text) {
		text = "func snippet(ctx context.Context, p *ekaf.Producer) error {\n" + text + "\nreturn nil\n}\n\nvar _ = snippet\n"
	}
	var b strings.Builder
	b.WriteString("package snippet\n\n")
	for _, path := range packages {
		if regexp.MustCompile(`\b` + path[strings.LastIndexByte(path, '/')+1:] + `\.`).MatchString(text) {
			fmt.Fprintf(&b, "import %q\n", path)
		}
	}
	return b.String() + text
}

// declares reports whether a snippet is declarations and not statements.
func declares(text string) bool {
	return strings.HasPrefix(text, "import ") || strings.HasPrefix(text, "func ")
}
