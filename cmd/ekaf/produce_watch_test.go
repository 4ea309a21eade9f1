package main

import (
	"strings"
	"testing"

	"github.com/schollz/progressbar/v3"
)

// What is drawn must stay on one row of the terminal, whatever it says and however
// narrow the terminal becomes meanwhile; else each drawing leaves a row behind.
func TestTheLiveViewStaysOnOneRow(t *testing.T) {
	for name, total := range map[string]int64{"known total": 1000, "unknown total": -1} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			columns := 0
			bar := progressbar.NewOptions64(total, progressbar.OptionSetWriter(&oneLine{out: &out, width: func() int { return columns }}),
				progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSpinnerType(14),
				progressbar.OptionSetSpinnerChangeInterval(0))
			for _, columns = range []int{200, 110, 90, 80, 20, 110} {
				out.Reset()
				bar.Describe("in flight 123456, 5000/s, p50 1.234ms, p99 12.345ms, max 123.456ms, brokers away for 12s")
				if !strings.Contains(out.String(), "in flight") {
					t.Errorf("%d columns: %q", columns, out.String())
				}
				for row := range strings.SplitSeq(out.String(), "\r") {
					if n := len([]rune(row)); n >= columns {
						t.Errorf("%d columns: a row has %d: %q", columns, n, row)
					}
				}
				_ = bar.Clear()
			}
		})
	}
}

func TestWithoutAWidthNothingIsCut(t *testing.T) {
	var out strings.Builder
	line := &oneLine{out: &out, width: func() int { return 0 }}
	for _, part := range []string{"\r" + strings.Repeat("█", 300), "end\n"} {
		if n, err := line.Write([]byte(part)); n != len(part) || err != nil {
			t.Errorf("%d of %d, %v", n, len(part), err)
		}
	}
	if want := "\r" + strings.Repeat("█", 300) + "end\n"; out.String() != want {
		t.Errorf("drawn: %q", out.String())
	}
}
