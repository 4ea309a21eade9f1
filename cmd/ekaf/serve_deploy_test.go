package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestServeTakesTheExampleConfiguration reads the file of deploy/ as the program
// does: what it refuses is that the files it names are not on this machine.
func TestServeTakesTheExampleConfiguration(t *testing.T) {
	text, err := os.ReadFile("../../deploy/gateway.yaml")
	if err != nil {
		t.Fatal(err)
	}
	missing := t.TempDir()
	config := filepath.Join(missing, "gateway.yaml")
	if err := os.WriteFile(config, []byte(strings.ReplaceAll(string(text), "/etc/ekaf", missing)), 0o600); err != nil {
		t.Fatal(err)
	}
	var errOut strings.Builder
	run(t.Context(), []string{"serve", "--config", config}, strings.NewReader(""), &errOut, &errOut)
	faults := 0
	for line := range strings.Lines(errOut.String()) {
		if strings.HasPrefix(line, "  ") {
			faults++
			if !strings.Contains(line, "no such file") {
				t.Errorf("a fault: %s", line)
			}
		}
	}
	if faults != 3 { // the tokens, the certificate, the brokers' authority
		t.Errorf("%d faults:\n%s", faults, errOut.String())
	}
}

// TestTheUnitNamesFlagsThatExist: a unit with a wrong flag shows it at the first
// start on somebody's server.
func TestTheUnitNamesFlagsThatExist(t *testing.T) {
	text, err := os.ReadFile("../../deploy/systemd/ekaf.service")
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(text), "\nExecStart=/usr/local/bin/ekaf serve ")
	line, _, _ = strings.Cut(line, "\n")
	_, cmd := newServeCommand()
	if err := cmd.ParseFlags(strings.Fields(line)); !found || err != nil {
		t.Errorf("the unit's line %q: %v", line, err)
	}
}
