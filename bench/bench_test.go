package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// TestMain lets the test binary be the broker and the measuring process, as
// the program is: the harness starts whatever it itself is.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (slices.Contains([]string{"broker", "measure", "bare"}, os.Args[1])) {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func readResults(t *testing.T, dir string) (samples []Sample) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("results are %v, %v", files, err)
	}
	f, err := os.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var s Sample
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		samples = append(samples, s)
	}
	return samples
}

func TestARunIsVerifiedAndRecorded(t *testing.T) {
	dir := t.TempDir()
	err := run(t.Context(), []string{
		"-suite", "calls", "-clients", "limit,franz-go", "-row", "explicit", "-scale", "0.002",
		"-rounds", "2", "-verify", "-results", dir, "-cpuprofile", filepath.Join(dir, "profiles"),
	})
	if err != nil {
		t.Fatal(err)
	}
	samples := readResults(t, dir)
	if len(samples) != 4*2*2 {
		t.Fatalf("%d samples", len(samples))
	}
	var order []string
	for _, s := range samples {
		order = append(order, s.Client)
		if s.Row.Records != 4000 || s.Acked != s.Row.Records+s.Row.Warmup || s.Void != "" || s.CPUPerRecord <= 0 || s.RecordsPerS <= 0 || s.BatchRecords <= 0 {
			t.Errorf("sample %+v", s)
		}
	}
	want := slices.Repeat([]string{"limit", "franz-go", "franz-go", "limit"}, 4)
	if !slices.Equal(order, want) {
		t.Errorf("the clients ran as %v: each round must begin with another", order)
	}
	if profiles, _ := filepath.Glob(filepath.Join(dir, "profiles", "*.pprof")); len(profiles) != 8 {
		t.Errorf("profiles are %v", profiles)
	}
}

func TestLatencyIsMeasured(t *testing.T) {
	dir := t.TempDir()
	if err := run(t.Context(), []string{"-suite", "latency", "-clients", "limit-locks", "-scale", "0.01", "-rounds", "1", "-results", dir}); err != nil {
		t.Fatal(err)
	}
	for _, s := range readResults(t, dir) {
		if s.Row.Measure == load.Latency && (s.P50 <= 0 || s.P50 > s.P99 || s.P99 > s.P999) {
			t.Errorf("quantiles are %v, %v, %v", s.P50, s.P99, s.P999)
		}
		if s.Row.Measure == load.FirstAck && s.First <= 0 {
			t.Errorf("the first ack took %v", s.First)
		}
	}
}

func TestAClientThatFailsIsVoidAndTheOthersGoOn(t *testing.T) {
	dir := t.TempDir()
	err := run(t.Context(), []string{
		"-suite", "quick", "-clients", "franz-go", "-row", "unkeyed batch", "-timeout", "1ns", "-rounds", "2", "-results", dir,
	})
	if err == nil || !strings.Contains(err.Error(), "1 cells are void") {
		t.Errorf("the run ends with %v", err)
	}
	if s := readResults(t, dir); len(s) != 1 || s[0].Void == "" {
		t.Errorf("samples are %+v", s)
	}
}

func TestCheckHoldsThreeCountsTogether(t *testing.T) {
	row := load.Row{Warmup: 10, Records: 90}
	good := broker.Counters{Records: 100, VerifiedRecords: 100, ValueSum: 7}
	for _, c := range []struct {
		what   string
		sample Sample
		change func(*broker.Counters)
		verify bool
		ok     bool
	}{
		{"all agree", Sample{Acked: 100, Sum: 7}, func(*broker.Counters) {}, true, true},
		{"an ack is missing", Sample{Acked: 99, Sum: 7}, func(*broker.Counters) {}, true, false},
		{"a record is missing", Sample{Acked: 100, Sum: 7}, func(c *broker.Counters) { c.Records-- }, false, false},
		{"a record came twice", Sample{Acked: 100, Sum: 7}, func(c *broker.Counters) { c.Records++ }, false, false},
		{"a batch came twice", Sample{Acked: 100, Sum: 7}, func(c *broker.Counters) { c.Duplicates++ }, false, false},
		{"a value changed", Sample{Acked: 100, Sum: 7}, func(c *broker.Counters) { c.ValueSum++ }, true, false},
		{"a value changed, unseen", Sample{Acked: 100, Sum: 7}, func(c *broker.Counters) { c.ValueSum++ }, false, true},
	} {
		counted := good
		c.change(&counted)
		if err := check(c.sample, row, counted, c.verify); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	// Whose broker went away may not know what it took, and send it again.
	again, down := good, row
	again.Duplicates, down.Measure = 12, load.Downtime
	if err := check(Sample{Acked: 100, Sum: 7}, down, again, false); err != nil {
		t.Errorf("a batch came twice in downtime: %v", err)
	}
	again.OutOfOrder = 1
	if err := check(Sample{Acked: 100, Sum: 7}, down, again, false); err == nil || !strings.Contains(err.Error(), "1 out of order") {
		t.Errorf("a batch was lost in downtime: %v", err)
	}
}

func TestSpreadAndQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   spread
	}{
		{[]float64{3}, spread{3, 3, 3}},
		{[]float64{3, 1}, spread{2, 1, 3}},
		{[]float64{9, 1, 2}, spread{2, 1, 9}},
	} {
		var cl cell
		for _, v := range c.values {
			cl.samples = append(cl.samples, Sample{CPUPerRecord: v})
		}
		if got := cl.spread(costs[0].figure); got != c.want {
			t.Errorf("spread of %v is %+v", c.values, got)
		}
	}
	times := make([]time.Duration, 1000)
	for i := range times {
		times[i] = time.Duration(i)
	}
	for q, want := range map[float64]time.Duration{0: 0, 0.5: 500, 0.99: 990, 0.999: 999, 1: 999} {
		if got := quantile(times, q); got != want {
			t.Errorf("quantile %v is %v, want %v", q, got, want)
		}
	}
}

func TestShareCoversTheRangeOnce(t *testing.T) {
	for _, n := range []int{1, 3, 16} {
		hits := make([]int, 100)
		err := share(n, 10, 100, func(_, from, to int) error {
			for i := from; i < to; i++ {
				hits[i]++
			}
			return nil
		})
		if err != nil || slices.Contains(hits[10:], 0) || slices.Max(hits) != 1 || slices.Max(hits[:10]) != 0 {
			t.Errorf("%d parts: %v, %v", n, hits, err)
		}
	}
	failed := errors.New("no")
	if err := share(2, 0, 2, func(w, _, _ int) error { return []error{nil, failed}[w] }); !errors.Is(err, failed) {
		t.Errorf("the failure of a part is lost: %v", err)
	}
}

func TestTheTable(t *testing.T) {
	row := standard()
	var out bytes.Buffer
	printRow(&out, row, []cell{
		{client: "ekaf", samples: []Sample{{CPUPerRecord: 50}, {CPUPerRecord: 40}, {CPUPerRecord: 60}}},
		{client: "other", samples: []Sample{{CPUPerRecord: 100}}},
		{client: "broken", void: errors.New("it lied"), samples: []Sample{{}}},
		{client: "small", notOffered: true, samples: []Sample{{NotOffered: true}}},
		{client: "again", samples: []Sample{{CPUPerRecord: 1, Repeated: 3}, {CPUPerRecord: 1, Repeated: 12}}},
	})
	for _, want := range []string{"100B x12 unkeyed callback", "50.0 [40.0-60.0]", "2.00x", "CPU/ekaf", "VOID", "broken is void: it lied", "not offered",
		"again sent up to 12 batches a round again"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is missing from\n%s", want, &out)
		}
	}
}

func TestEverySuiteHasRowsAndTellsThemApart(t *testing.T) {
	for name, s := range suites {
		names := map[string]bool{}
		for _, task := range s.tasks() {
			row := task.row.Name()
			if names[row] {
				t.Errorf("suite %s has %q twice", name, row)
			}
			names[row] = true
		}
		if len(names) == 0 {
			t.Errorf("suite %s has no rows", name)
		}
	}
}

func TestTheCommandLineIsChecked(t *testing.T) {
	for _, args := range [][]string{{"-suite", "nope"}, {"-clients", "nobody"}, {"-row", "no such row"}, {"-rounds", "0"}, {"-nonsense"},
		{"-quick", "calls"}, {"-scale", "-1"}, {"-scale", "0"}, {"-scale", "NaN"}, {"-buffer", "-1"}, {"-timeout", "0"}} {
		if _, _, err := parse(args); err == nil {
			t.Errorf("%v is taken", args)
		}
	}
}
