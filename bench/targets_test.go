package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/bench/load"
)

// told makes results of one figure for each client of a row.
func told(row load.Row, samples map[string]Sample) results {
	var cells []cell
	for client, s := range samples {
		cells = append(cells, cell{client: client, samples: []Sample{s}})
	}
	r := results{}
	r.add(row, cells)
	return r
}

func find(t *testing.T, verdicts []verdict, target, row string) *verdict {
	t.Helper()
	for i := range verdicts {
		if verdicts[i].target == target && verdicts[i].row == row {
			return &verdicts[i]
		}
	}
	t.Fatalf("there is no verdict on %q in %q", target, row)
	return nil
}

func TestTargetsAreJudged(t *testing.T) {
	standard, many := standard(), latencyRows()[1]
	callback := "callback per message: the limit"
	for name, c := range map[string]struct {
		row     load.Row
		target  string
		samples map[string]Sample
		want    outcome
	}{
		"at the bound":    {standard, callback, map[string]Sample{"ekaf": {CPUPerRecord: 120}, "limit": {CPUPerRecord: 50}}, met},
		"above the bound": {standard, callback, map[string]Sample{"ekaf": {CPUPerRecord: 121}, "limit": {CPUPerRecord: 50}}, missed},
		"no limit":        {standard, callback, map[string]Sample{"ekaf": {CPUPerRecord: 1}}, notRun},
		"no ekaf":         {standard, callback, map[string]Sample{"limit": {CPUPerRecord: 1}}, notRun},
		"a third": {standard, "callback per message: franz-go",
			map[string]Sample{"ekaf": {CPUPerRecord: 101}, "franz-go": {CPUPerRecord: 300}}, missed},
		"a third of the cheaper form": {standard, "callback per message: franz-go",
			map[string]Sample{"ekaf": {CPUPerRecord: 80}, "franz-go": {CPUPerRecord: 300}, "franz-go-pool": {CPUPerRecord: 210}}, missed},
		"a function for each": {ownRow(100, load.Func), callback,
			map[string]Sample{"ekaf": {CPUPerRecord: 121}, "limit": {CPUPerRecord: 50}}, missed},
		"at least": {many, "sync, 64 callers: records/s",
			map[string]Sample{"ekaf": {RecordsPerS: 200}, "franz-go": {RecordsPerS: 100}}, met},
		"too few": {many, "sync, 64 callers: records/s",
			map[string]Sample{"ekaf": {RecordsPerS: 199}, "franz-go": {RecordsPerS: 100}}, missed},
		"the best of the rivals": {latencyRows()[0], "sync, one caller: p99, every rival",
			map[string]Sample{"ekaf": {P99: 50}, "franz-go": {P99: 60}, "sarama": {P99: 40}}, missed},
		"the fastest of the rivals": {kafkaRow(), "real Kafka: records/s",
			map[string]Sample{"ekaf": {RecordsPerS: 50}, "franz-go": {RecordsPerS: 60}, "sarama": {RecordsPerS: 40}}, missed},
		"programs": {pipeRow(), "`ekaf produce` from a pipe",
			map[string]Sample{ekafProduce: {CPUPerRecord: 10}, kcat: {CPUPerRecord: 30}}, met},
		"memory": {stateRows()[0], "10,000 idle partitions: memory", map[string]Sample{"ekaf": {Held: 65 << 20}}, missed},
		"trips":  {firstRows()[1], "connect to first ack", map[string]Sample{"ekaf": {Trips: 4}}, met},
		"allocations": {standard, "allocations per record",
			map[string]Sample{"ekaf": {AllocsPerRecord: 0.004}}, met},
		"allocations, many partitions": {wideRows()[2], "allocations per record",
			map[string]Sample{"ekaf": {AllocsPerRecord: 0.23}}, missed},
		"allocations, the caller's own": {ownRow(10, load.Closure), "allocations per record",
			map[string]Sample{"ekaf": {AllocsPerRecord: 1.004}}, met},
		"allocations in downtime": {stateRows()[1], "allocations per record",
			map[string]Sample{"ekaf": {AllocsPerRecord: 0.01}}, missed},
	} {
		t.Run(name, func(t *testing.T) {
			v := find(t, judge("targets", told(c.row, c.samples)), c.target, c.row.Name())
			if got := v.outcome(); got != c.want {
				t.Errorf("it is %s: %v", got, v.cells())
			}
		})
	}
}

// Codecs compare four cells of two rows; one that is missing voids all.
func TestCodecsAreJudgedByTwoRows(t *testing.T) {
	plain, packed := standard(), targetCodecRows()[0]
	r := told(plain, map[string]Sample{"ekaf": {CPUPerRecord: 100}, "franz-go": {CPUPerRecord: 500}})
	r[packed.Name()] = told(packed, map[string]Sample{
		"ekaf": {CPUPerRecord: 320, WireBytes: 50}, "franz-go": {CPUPerRecord: 700, WireBytes: 49.9},
	})[packed.Name()]
	if v := find(t, judge("targets", r), "codec: cost", packed.Name()); v.outcome() != met || v.bound.v != 320 {
		t.Errorf("cost is %v", v.cells())
	}
	if v := find(t, judge("targets", r), "codec: ratio", packed.Name()); v.outcome() != missed {
		t.Errorf("ratio is %v", v.cells())
	}
	delete(r[plain.Name()], "franz-go")
	if v := find(t, judge("targets", r), "codec: cost", packed.Name()); v.outcome() != notRun || !strings.Contains(v.cells()[4], "franz-go was not run") {
		t.Errorf("cost is %v", v.cells())
	}
}

// Of franz-go's two forms the one that is cheaper with the codec counts, with its
// own cost without.
func TestCodecsAreHeldAgainstOneForm(t *testing.T) {
	plain, packed := standard(), targetCodecRows()[0]
	r := told(plain, map[string]Sample{"ekaf": {CPUPerRecord: 100}, "franz-go": {CPUPerRecord: 500}, "franz-go-pool": {CPUPerRecord: 300}})
	r[packed.Name()] = told(packed, map[string]Sample{
		"ekaf": {CPUPerRecord: 401}, "franz-go": {CPUPerRecord: 700}, "franz-go-pool": {CPUPerRecord: 580},
	})[packed.Name()]
	if v := find(t, judge("targets", r), "codec: cost", packed.Name()); v.outcome() != missed || v.bound.v != 400 {
		t.Errorf("cost is %v", v.cells())
	}
}

// "Every rival" is those that were run: the verdict must say which.
func TestAVerdictOnEveryRivalNamesThem(t *testing.T) {
	one := latencyRows()[0]
	r := results{}
	r.add(one, []cell{
		{client: "ekaf", samples: []Sample{{P50: 1}}},
		{client: "franz-go", samples: []Sample{{P50: 3}}},
		{client: "franz-go-pool", samples: []Sample{{}}, notOffered: true},
		{client: "kafka-go", samples: []Sample{{P50: 2}}},
		{client: "sarama", samples: []Sample{{P50: 1}}, void: errors.New("it lied")},
	})
	v := find(t, judge("targets", r), "sync, one caller: p50, every rival", one.Name())
	if got, want := v.cells()[4], "kafka-go's is the best of franz-go, kafka-go; not run or void: sarama, confluent"; got != want {
		t.Errorf("it says %q, want %q", got, want)
	}
}

func TestVoidCellsAreNotJudged(t *testing.T) {
	r := results{}
	r.add(standard(), []cell{
		{client: "ekaf", samples: []Sample{{CPUPerRecord: 1}}},
		{client: "limit", samples: []Sample{{}}, void: errors.New("it lied")},
		{client: "franz-go", samples: []Sample{{}}, notOffered: true},
	})
	verdicts := judge("targets", r)
	for target, why := range map[string]string{
		"callback per message: the limit": "limit is void", "callback per message: franz-go": "franz-go does not offer it",
	} {
		v := find(t, verdicts, target, standard().Name())
		if v.outcome() != notRun || v.cells()[4] != why {
			t.Errorf("%s: %v", target, v.cells())
		}
	}
	if n := r.voids(); n != 1 {
		t.Errorf("%d voids", n)
	}
}

// Every target must be about rows which its suite runs, with the clients it
// compares; else it could never be met.
func TestTheSuiteOfTargetsRunsWhatIsJudged(t *testing.T) {
	p, _, err := parse([]string{"-suite", "targets", "-brokers", "b:1"})
	if err != nil {
		t.Fatal(err)
	}
	r := results{}
	for _, a := range p.tasks {
		var cells []cell
		for _, e := range a.clients {
			cells = append(cells, cell{client: e.Name, samples: []Sample{{CPUPerRecord: 1}}})
		}
		r.add(a.row, cells)
	}
	for _, v := range judge("targets", r) {
		if missing := v.figure.missing + v.bound.missing; missing != "" && !strings.Contains(missing, kcat) && (runtime.GOOS == "linux" || !strings.Contains(missing, ekafServe)) {
			t.Errorf("%s in %s: %s", v.target, v.row, missing)
		}
	}
	var summary bytes.Buffer
	r.summary(&summary)
	if n := strings.Count(summary.String(), "–"); n > 1 { // kcat may not be here
		t.Errorf("the summary lacks rows that the suite runs:\n%s", &summary)
	}
}

func TestTheDocumentIsWrittenFromSamples(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "samples.jsonl")
	rec := &recorder{}
	var err error
	if rec.f, err = os.Create(file); err != nil {
		t.Fatal(err)
	}
	for _, ns := range []float64{40, 60, 50} {
		for _, client := range []string{"ekaf", "limit"} {
			rec.add(Sample{Client: client, Row: standard(), CPUPerRecord: ns, Go: "go9.9", Machine: "abacus", Time: "2026-01-02T03:04:05Z"})
		}
	}
	rec.close()
	doc := filepath.Join(dir, "doc.md")
	if err := os.WriteFile(doc, []byte("before\n"+parts[0].begin+"\nold\n"+parts[0].end+"\nafter\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time replaces what the first wrote
		if err := run(t.Context(), []string{"-suite", "targets", "-from", file, "-doc", doc}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n" + parts[0].begin, parts[0].end + "\nafter\n", "abacus; go9.9; 2026-01-02; medians of 3 or more rounds",
		"50.0 ns | ≤ 120.0 ns | 1.6 × limit's 50.0 + 40 | met |", "50.0 [40.0-60.0]",
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%q is missing from\n%s", want, text)
		}
	}
	if bytes.Contains(text, []byte("old")) || bytes.Count(text, []byte("### Targets")) != 1 {
		t.Errorf("the old part is still there:\n%s", text)
	}
	brief := filepath.Join(dir, "brief.md")
	if err := os.WriteFile(brief, []byte(parts[2].begin+"\n"+parts[2].end), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-suite", "targets", "-from", file, "-doc", doc + "," + brief}); err != nil {
		t.Fatal(err)
	}
	short, err := os.ReadFile(brief)
	if want := "| 12 partitions, a callback for each message | 50 | – | 50 |\n"; err != nil || !bytes.Contains(short, []byte(want)) {
		t.Errorf("the summary is %v\n%s", err, short)
	}
	if err := run(t.Context(), []string{"-suite", "targets", "-from", file, "-doc", file}); err == nil || !strings.Contains(err.Error(), parts[0].begin) {
		t.Errorf("a document without markers: %v", err)
	}
}

func TestSamplesThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.jsonl")
	if err := os.WriteFile(bad, []byte("{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{bad, filepath.Join(dir, "none.jsonl")} {
		if err := run(t.Context(), []string{"-suite", "targets", "-from", file}); err == nil || !strings.Contains(err.Error(), "cannot read samples") {
			t.Errorf("%s: %v", file, err)
		}
	}
}

func TestRowsMayAskForMoreRounds(t *testing.T) {
	for asked, want := range map[string]int{"3": latencyRounds, "1": 1, "7": 7} {
		p, _, err := parse([]string{"-suite", "targets", "-row", "latency 100B x12 unkeyed, 1 callers", "-rounds", asked})
		if err != nil || len(p.tasks) != 1 || p.tasks[0].rounds != want {
			t.Errorf("%s rounds: %+v, %v", asked, p.tasks, err)
		}
	}
}

func TestDelayedRowsAreCountedInRoundTrips(t *testing.T) {
	row := firstRows()[1]
	row.Delay = 30 * time.Millisecond
	dir := t.TempDir()
	h := &harness{plan: plan{rounds: 1, timeout: time.Minute, results: dir}}
	defer h.close(t.Context())
	if err := h.open(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err := h.runSample(t.Context(), row, "raw")
	if err != nil || s.Trips < 2 || s.Exchanges != 2 { // an id and the record; a slow machine may take longer
		t.Errorf("sample %+v, %v", s, err)
	}
}
