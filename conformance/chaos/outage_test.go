package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// TestOutage: a small outage on the embedded brokers is measured, and nothing of
// it is lost.
func TestOutage(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := command(t.Context(), []string{"-embedded", "-outage", "500ms", "-rate", "2000"}, &stdout, &stderr); code != 0 {
		t.Fatalf("exit code %d:\n%s%s", code, stdout.String(), stderr.String())
	}
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	var f outageFigures
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &f); err != nil {
		t.Fatalf("%v:\n%s", err, stdout.String())
	}
	if f.Acked == 0 || f.Failed > 0 || f.FullSpeed == 0 || f.Backlog == 0 || len(f.Attempts) != 3 {
		t.Errorf("the figures do not add up: %+v", f)
	}
}
