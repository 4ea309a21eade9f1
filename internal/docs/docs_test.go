package docs

import (
	"encoding/json"
	"flag"
	"fmt"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/sender"
	"github.com/ekaf-go/ekaf/internal/worker"
)

var update = flag.Bool("update", false, "write what is made from the code into the documents")

const root = "../.."

func TestDocs(t *testing.T) {
	events, err := Events(filepath.Join(root, "events.go"))
	if err != nil {
		t.Fatal(err)
	}
	made := map[string]map[string]string{
		"README.md":      {"options": Options(), "events": events},
		"docs/errors.md": {"produce errors": ProduceErrors(), "other errors": OtherErrors()},
		"docs/architecture.md": {
			"topic states":      Machine(ekaf.TopicStates(), ekaf.TopicState.CanMove),
			"worker states":     Machine(worker.Machine.States(), worker.Machine.CanMove),
			"batch states":      Machine(batch.Machine.States(), batch.Machine.CanMove),
			"connection states": Machine(sender.Machine.States(), sender.Machine.CanMove),
		},
		"docs/metrics.md": {"metrics": Metrics(), "gateway metrics": GatewayMetrics(), "buckets": Buckets(), "reasons": Reasons()},
		"docs/gateway.md": {"gateway routes": GatewayRoutes(), "gateway statuses": GatewayStatuses()},
	}
	for name, parts := range made {
		path := filepath.Join(root, filepath.FromSlash(name))
		text, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			continue
		}
		document := string(text)
		for part, content := range parts {
			if document, err = Splice(document, part, content); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if t.Failed() || document == string(text) {
			continue
		}
		if !*update {
			t.Errorf("%s is not what the code says; run: go test ./internal/docs -run TestDocs -update", name)
			continue
		}
		if err := os.WriteFile(path, []byte(document), 0o644); err != nil {
			t.Error(err)
		}
	}
}

// documents lists the documents whose Go blocks must compile.
func documents(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(list) == 0 {
		t.Fatalf("no documents found: %v", err)
	}
	return append(list, filepath.Join(root, "README.md"))
}

// TestSnippets compiles every block of Go in the documents.
func TestSnippets(t *testing.T) {
	var list []program
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(strings.ToLower(filepath.Base(path)), ".md")
		for _, s := range Snippets(string(text)) {
			if formatted, err := format.Source([]byte(s.Text)); err != nil || string(formatted) != s.Text {
				t.Errorf("%s:%d: not as gofmt writes it (%v):\n%s", path, s.Line, err, formatted)
			}
			list = append(list, program{fmt.Sprintf("%s_line_%d", base, s.Line), s.Program()})
		}
	}
	if len(list) < 5 {
		t.Fatalf("only %d snippets found: are they fenced with ```go?", len(list))
	}
	build := overlaid(t, "build", list...)
	if out, err := build.CombinedOutput(); err != nil {
		t.Errorf("the documents' Go does not compile (%v); the file names say the document and line:\n%s", err, out)
	}
}

type program struct{ name, text string }

// overlaid is a go command over programs by way of an overlay: files that the go
// command sees inside the module, and no disk holds there.
func overlaid(t *testing.T, verb string, programs ...program) *exec.Cmd {
	t.Helper()
	module, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	arguments := []string{verb, "-overlay", filepath.Join(dir, "overlay.json")}
	for _, p := range programs {
		real := filepath.Join(dir, p.name+".go")
		if err := os.WriteFile(real, []byte(p.text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(module, "internal", "docs", "snippets", p.name, "main.go")] = real
		arguments = append(arguments, "./internal/docs/snippets/"+p.name)
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "overlay.json"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), "go", arguments...)
	command.Dir = module
	return command
}

// TestReadmeProgram runs the program of the README as it stands, but for the
// address of the broker.
func TestReadmeProgram(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	kafka := ekaftest.Start(t, ekaftest.Topic("events", 1))
	for _, s := range Snippets(string(text)) {
		if !strings.HasPrefix(s.Text, "package main") {
			continue
		}
		run := overlaid(t, "run", program{"readme", strings.ReplaceAll(s.Text, "localhost:9092", kafka.Addrs()[0])})
		if out, err := run.CombinedOutput(); err != nil {
			t.Fatalf("the README's program fails: %v\n%s", err, out)
		}
		seen, err := kafka.Consume("events")
		if err != nil || len(seen) != 3 || string(seen[2].Value) != "logout" {
			t.Fatalf("a consumer sees %v, %v", seen, err)
		}
		return
	}
	t.Fatal("the README has no program")
}

// TestLinks checks that what documents link to within the repository is there.
func TestLinks(t *testing.T) {
	for _, path := range documents(t) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(prose(string(text)), "](")[1:] {
			target, _, _ := strings.Cut(part, ")")
			target, _, _ = strings.Cut(target, "#")
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(path), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which is not there", path, target)
			}
		}
	}
}

// prose is a document without its fenced blocks.
func prose(document string) string {
	var b strings.Builder
	for i, part := range strings.Split(document, "```") {
		if i%2 == 0 {
			b.WriteString(part)
		}
	}
	return b.String()
}

func TestSpliceSaysWhatIsMissing(t *testing.T) {
	if got, err := Splice("a\n<!-- made: x -->\nold\n<!-- end -->\nb", "x", "new\n"); err != nil || got != "a\n<!-- made: x -->\nnew\n<!-- end -->\nb" {
		t.Errorf("got %q, %v", got, err)
	}
	for _, document := range []string{"", "<!-- made: x -->\nno end"} {
		if _, err := Splice(document, "x", "new"); err == nil {
			t.Errorf("%q: no error", document)
		}
	}
}
