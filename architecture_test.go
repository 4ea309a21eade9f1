package ekaf_test

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/ekaf-go/ekaf"

// arrows says which packages of this module, and which modules of others, a
// package's non-test files may import. A name that ends in /... stands for all
// packages below it. docs/architecture.md draws the same.
var arrows = map[string][]string{
	".": {
		"internal/batch", "internal/callback", "internal/clock", "internal/cluster", "internal/conn", "internal/hash", "internal/histogram",
		"internal/identity", "internal/machine", "internal/memory", "internal/pool", "internal/sender", "internal/worker",
		"github.com/twmb/franz-go/pkg/kerr", "github.com/twmb/franz-go/pkg/sasl/...",
	},
	"internal/clock":     {},
	"internal/hash":      {},
	"internal/histogram": {},
	"internal/machine":   {},
	"internal/memory":    {},
	"internal/batch":     {"internal/machine", "internal/memory", "github.com/klauspost/compress/...", "github.com/pierrec/lz4/..."},
	"internal/callback":  {"internal/batch"},
	"internal/identity":  {"internal/worker"},
	"internal/pool":      {},
	"internal/worker":    {"internal/batch", "internal/histogram", "internal/machine", "internal/memory", "github.com/twmb/franz-go/pkg/kerr"},
	"internal/sender":    {"internal/worker", "internal/batch", "internal/conn", "internal/machine"},
	"internal/conn":      {"github.com/twmb/franz-go/pkg/..."},
	"internal/cluster":   {"internal/conn", "github.com/twmb/franz-go/pkg/..."},
	// The command line's reading of client properties, and the writer of the
	// documents' tables: they stand above the product.
	"internal/properties": {
		".", "internal/conn", "github.com/twmb/franz-go/pkg/sasl/...", "github.com/jcmturner/gokrb5/...",
		"github.com/pavlo-v-chernykh/keystore-go/...", "software.sslmate.com/...",
	},
	"internal/docs": {".", "gateway", "gateway/gatewayprom", "internal/sender", "internal/worker", "internal/batch", "internal/metrics", "github.com/twmb/franz-go/pkg/kerr"},
	// What others observe a producer with stands above the product, and shares one table.
	"internal/metrics": {".", "internal/worker", "github.com/twmb/franz-go/pkg/kerr"},
	"ekafslog":         {"."},
	"ekafotel":         {".", "internal/metrics", "go.opentelemetry.io/otel/..."},
	"ekafprom":         {".", "internal/metrics", "github.com/prometheus/client_golang/prometheus"},
	// The HTTP door, and the taking apart of what comes through it.
	"gateway":             {".", "internal/histogram", "internal/payload", "github.com/klauspost/compress/..."},
	"internal/payload":    {},
	"gateway/gatewayprom": {"gateway", "ekafprom", "internal/metrics", "github.com/prometheus/client_golang/prometheus"},
	// What "ekaf serve" reads and listens with.
	"internal/optiontext": {"."},
	"internal/gatefile":   {".", "gateway/access", "internal/optiontext", "internal/properties", "go.yaml.in/yaml/..."},
	"internal/listen":     {"internal/conn", "github.com/coreos/go-systemd/...", "golang.org/x/net/netutil", "golang.org/x/sys/..."},
	"internal/profiles":   {},
	// Who may use it.
	"gateway/access": {"gateway", "github.com/go-jose/go-jose/...", "golang.org/x/crypto/bcrypt", "golang.org/x/time/rate"},
	// What it shows of itself.
	"gateway/dashboard": {".", "gateway", "internal/conn", "github.com/twmb/franz-go/pkg/kerr"},
	// Judges and embedded brokers know nothing of the engine that they judge.
	"ekaftest":              {"github.com/twmb/franz-go/pkg/...", "github.com/klauspost/compress/...", "github.com/pierrec/lz4/..."},
	"ekaftest/identity":     {"github.com/twmb/franz-go/pkg/..."},
	"conformance/judge":     {"github.com/twmb/franz-go/pkg/..."},
	"conformance/realkafka": {"github.com/twmb/franz-go/pkg/...", "golang.org/x/sys/..."},
}

// free are folders of programs and suites, which may import anything.
var free = []string{"cmd/ekaf", "examples", "conformance"}

// heavy must not enter a program by way of the root package, however indirectly.
var heavy = []string{
	"net/http", "testing", "flag", "github.com/spf13/", "github.com/prometheus/", "go.opentelemetry.io/",
	"github.com/twmb/franz-go/pkg/kfake", "github.com/twmb/franz-go/pkg/kgo", module + "/ekaftest",
}

// source is a package's folder with its non-test files.
type source struct {
	files   []string
	imports map[string]string // import path to one file that has it
}

// sources parses the imports of every package of the module.
func sources(t *testing.T) map[string]*source {
	t.Helper()
	packages := map[string]*source{}
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		name := entry.Name()
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (name == "bench" || name == "testdata" || strings.HasPrefix(name, ".") && name != "."):
			return fs.SkipDir
		case entry.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if packages[dir] == nil {
			packages[dir] = &source{imports: map[string]string{}}
		}
		packages[dir].files = append(packages[dir].files, file)
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			packages[dir].imports[imported] = file
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages
}

func TestArchitectureArrows(t *testing.T) {
	for dir, pkg := range sources(t) {
		if slices.ContainsFunc(free, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") && arrows[dir] == nil }) {
			continue
		}
		allowed, known := arrows[dir]
		if !known {
			t.Errorf("%s is in no row of the table of arrows: add it here and in docs/architecture.md", dir)
			continue
		}
		for imported, file := range pkg.imports {
			if !allows(allowed, imported) {
				t.Errorf("%s: %s may not import %s", file, dir, imported)
			}
		}
	}
}

// allows reports whether an import is in a row of the table, or is of the
// standard library.
func allows(row []string, imported string) bool {
	if !strings.Contains(strings.Split(imported, "/")[0], ".") {
		return true
	}
	if imported == module {
		imported = "."
	}
	imported = strings.TrimPrefix(imported, module+"/")
	return slices.ContainsFunc(row, func(pattern string) bool {
		tree, all := strings.CutSuffix(pattern, "/...")
		return imported == pattern || all && (imported == tree || strings.HasPrefix(imported, tree+"/"))
	})
}

// TestArchitectureLean asks the go command for all that a program gets with the
// root package.
func TestArchitectureLean(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("cannot list the dependencies of the root package: %v", err)
	}
	for imported := range strings.FieldsSeq(string(out)) {
		for _, h := range heavy {
			if imported == h || strings.HasSuffix(h, "/") && strings.HasPrefix(imported, h) {
				t.Errorf("the root package depends on %s", imported)
			}
		}
	}
}

// TestArchitecturePureGo: nothing of what ships, but what the standard library may
// do, needs C.
func TestArchitecturePureGo(t *testing.T) {
	list := exec.CommandContext(t.Context(), "go", "list", "-deps",
		"-f", "{{if not .Standard}}{{with .CgoFiles}}{{$.ImportPath}} {{.}}{{end}}{{end}}",
		".", "./cmd/...", "./gateway/...", "./ekaftest", "./ekafprom", "./ekafotel", "./ekafslog")
	list.Env = append(os.Environ(), "CGO_ENABLED=1")
	out, err := list.CombinedOutput()
	if err != nil {
		t.Fatalf("cannot list the packages: %v\n%s", err, out)
	}
	if using := strings.TrimSpace(string(out)); using != "" {
		t.Errorf("these need C:\n%s", using)
	}
}

const (
	maxFiles = 25  // in a package, tests not counted
	maxLines = 500 // in a file, tests not counted
)

// TestArchitectureSizes keeps packages and files small enough to be read.
func TestArchitectureSizes(t *testing.T) {
	vague := []string{"util", "utils", "common", "types", "helper", "helpers", "misc"}
	// The product's own package is flat, one file for each noun of its API. So is the
	// gateway's, one for each group of routes: all share the exchange.
	// A command of the program has one, the large ones several.
	more := map[string]int{".": 40, "gateway": 34, "cmd/ekaf": 35}
	for dir, pkg := range sources(t) {
		if slices.Contains(vague, path.Base(dir)) {
			t.Errorf("%s: a package is named for what it owns", dir)
		}
		if n := len(pkg.files); n > max(maxFiles, more[dir]) {
			t.Errorf("%s has %d files, more than %d", dir, n, max(maxFiles, more[dir]))
		}
		for _, file := range pkg.files {
			if slices.Contains(vague, strings.TrimSuffix(filepath.Base(file), ".go")) {
				t.Errorf("%s: a file is named for what it holds", file)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if lines := bytes.Count(text, []byte("\n")); lines > maxLines {
				t.Errorf("%s has %d lines, more than %d", file, lines, maxLines)
			}
		}
	}
}

// TestArchitectureDocs: every package says what it owns.
func TestArchitectureDocs(t *testing.T) {
	packages := sources(t)
	for _, dir := range slices.Sorted(maps.Keys(packages)) {
		if strings.HasPrefix(dir, "examples/") {
			continue
		}
		documented := false
		for _, file := range packages[dir].files {
			parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || parsed.Doc != nil
		}
		if !documented {
			t.Errorf("%s has no package comment", dir)
		}
	}
}
