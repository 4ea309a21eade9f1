package faults

import (
	"bufio"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// document lists every scenario, where it is tested and what it proves.
const document = "../../docs/faults.md"

// packages are the folders of tests that the document names, by the names it
// gives them.
var packages = map[string]string{
	"faults": ".", "suite": "../suite", "ekaf": "../..", "worker": "../../internal/worker", "sender": "../../internal/sender",
	"conn": "../../internal/conn", "cluster": "../../internal/cluster", "cmd": "../../cmd/ekaf", "ekaftest": "../../ekaftest",
	"realkafka": "../realkafka", "batch": "../../internal/batch", "clock": "../../internal/clock", "hash": "../../internal/hash",
}

// row is a line of one of the document's tables.
type row struct {
	line  int
	name  string // of the scenario, or what users suffer from
	plays bool   // in a table of scenarios
	tests []test
}

// test is `package.TestName` in a row.
type test struct{ pkg, name string }

var reference = regexp.MustCompile("`([a-z]+)\\.(Test[A-Za-z0-9]+)`")

// rows reads the tables whose rows name tests.
func rows(t *testing.T) (list []row) {
	file, err := os.Open(document)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	plays := false
	for n := 1; lines.Scan(); n++ {
		cells := strings.Split(lines.Text(), "|")
		if len(cells) < 4 || strings.HasPrefix(cells[1], "--") {
			continue
		}
		one := row{line: n, name: strings.TrimSpace(cells[1]), plays: plays}
		for _, found := range reference.FindAllStringSubmatch(lines.Text(), -1) {
			one.tests = append(one.tests, test{found[1], found[2]})
		}
		if len(one.tests) == 0 { // a table's head
			plays = one.name == "scenario"
		} else {
			list = append(list, one)
		}
	}
	if err := lines.Err(); err != nil || len(list) == 0 {
		t.Fatalf("%s names no tests: %v", document, err)
	}
	return list
}

// played are the names of this package's scenarios by the test that plays them.
func played() map[string][]string {
	names := map[string][]string{}
	for name, list := range map[string][]scenario{
		"TestAnswers": answers(), "TestIdentities": identities(), "TestRecords": records(), "TestGarbage": garbage(),
		"TestSlowBroker": slowBrokers(), "TestResources": resources(), "TestClosing": closings(), "TestWithdrawal": withdrawals(),
		"TestNetwork": networks(), "TestAuthentication": authentications(),
		"TestBrokers": brokerFaults(),
	} {
		for _, sc := range list {
			names[name] = append(names[name], sc.name)
		}
	}
	return names
}

// TestTheDocument: each test that the document names exists, and each scenario and
// test of this package has its row there.
func TestTheDocument(t *testing.T) {
	documented := map[test][]string{}
	for _, r := range rows(t) {
		for _, one := range r.tests {
			if r.plays {
				documented[one] = append(documented[one], r.name)
			}
			if !exists(t, one) {
				t.Errorf("%s:%d names %s.%s, which does not exist", document, r.line, one.pkg, one.name)
			}
		}
	}
	for _, name := range tests(t) {
		if len(documented[test{"faults", name}]) == 0 {
			t.Errorf("%s has no row for %s", document, name)
		}
	}
	for name, scenarios := range played() {
		rows := documented[test{"faults", name}]
		for _, sc := range scenarios {
			if !slices.Contains(rows, sc) {
				t.Errorf("%s has no row for %s: | %s |", document, name, sc)
			}
		}
		for _, row := range rows {
			if !slices.Contains(scenarios, row) {
				t.Errorf("%s has a row %q for %s, which plays no such scenario", document, row, name)
			}
		}
	}
}

// tests are this package's.
func tests(t *testing.T) (names []string) {
	for _, found := range declaration.FindAllStringSubmatch(source(t, "."), -1) {
		if found[1] != "TestTheDocument" {
			names = append(names, found[1])
		}
	}
	return names
}

var declaration = regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`)

func exists(t *testing.T, one test) bool {
	t.Helper()
	folder, known := packages[one.pkg]
	return known && strings.Contains(source(t, folder), "func "+one.name+"(t *testing.T)")
}

var sources = map[string]string{} // the test files of a package, by folder

func source(t *testing.T, folder string) string {
	t.Helper()
	if sources[folder] == "" {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no tests in %s: %v", folder, err)
		}
		var all strings.Builder
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(text)
		}
		sources[folder] = all.String()
	}
	return sources[folder]
}
