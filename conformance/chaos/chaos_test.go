package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// A link of toxiproxy that is changed while its connection ends may leave two
// goroutines of the library behind; they are no part of what is tested.
func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/toxics.(*ToxicStub).Run"),
		goleak.IgnoreAnyFunction("github.com/Shopify/toxiproxy/v2/stream.(*ChanWriter).Write"))
}

// lastLine runs the program and reads its figures.
func lastLine(t *testing.T, args ...string) (f figures, output string, code int) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = command(t.Context(), args, &stdout, &stderr)
	output = stdout.String() + stderr.String()
	lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &f); err != nil {
		t.Fatalf("the last line is no JSON (%v):\n%s", err, output)
	}
	return f, output, code
}

// TestEmbedded is a short run on the embedded brokers. Its seed is fixed so that
// it has the same faults each time; the program itself draws one.
func TestEmbedded(t *testing.T) {
	f, output, code := lastLine(t, "-embedded", "-time", "3s", "-faults", "12", "-seed", "5")
	if code != 0 {
		t.Fatalf("exit code %d:\n%s", code, output)
	}
	if f.Faults+f.Skipped != 12 || f.Acked == 0 || int64(f.Read) != f.Acked+int64(f.MaybeThere) {
		t.Errorf("the figures do not add up: %+v", f)
	}
	for _, said := range []string{"seed 5:", "fault 12: ", "producer 5: StickyRoundRobin", "the faults are over"} {
		if !strings.Contains(output, said) {
			t.Errorf("the timeline does not say %q:\n%s", said, output)
		}
	}
}
