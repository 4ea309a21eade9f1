//go:build linux

package main

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// The program itself is asked, and what it accepted is verified in the broker.
func TestServersAreAskedAndCounted(t *testing.T) {
	dir := t.TempDir()
	path, err := findEkaf(t.Context(), &tools{dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	var samples []Sample
	for part, args := range map[string][]string{
		"lines": {"-row", "NDJSON", "-scale", "0.01"},
		"idle":  {"-row", "idle", "-scale", "0.01"},
		"door":  {"-row", "64 connections", "-scale", "0.02", "-buffer", "2", "-cpuprofile", filepath.Join(dir, "profiles")},
	} {
		results := filepath.Join(dir, part)
		args = append(args, "-suite", "gateway", "-rounds", "1", "-verify", "-ekaf", path, "-results", results)
		if err := run(t.Context(), args); err != nil {
			t.Fatal(args, err)
		}
		samples = append(samples, readResults(t, results)...)
	}
	if profiles, _ := filepath.Glob(filepath.Join(dir, "profiles", "*.pprof")); len(profiles) != 2 {
		t.Errorf("profiles are %v", profiles)
	}
	if len(samples) != 2*len(gatewayRows()) {
		t.Errorf("%d samples", len(samples))
	}
	for _, s := range samples {
		var ok bool
		switch s.Row.Measure {
		case load.Requests:
			ok = s.Acked == s.Row.Total() && s.CPUPerRecord > 0 && s.AllocsPerRecord > 0 && s.Busy > 0 && s.P50 <= s.P99 && s.P99 <= s.P999
		case load.Away:
			ok = s.Acked > s.Row.Total() && s.AwayPerS > 0 && s.P50 > 0 && (s.Refused > 0) == (s.Client == ekafServe) && (s.HandlerP99 > 0) == (s.Client == ekafServe)
		case load.Connected:
			ok = s.Acked == 100 && s.Held > 1<<20
		}
		if !ok || s.Void != "" || s.RecordsPerS <= 0 && s.Row.Measure != load.Connected || s.PeakRSS < 1<<20 {
			t.Errorf("%s, %s: %+v", s.Row.Name(), s.Client, s)
		}
	}
}

func TestAServerThatDoesNotBeginIsVoid(t *testing.T) {
	dir := t.TempDir()
	fails, err := exec.LookPath("false")
	if err != nil {
		t.Fatal(err)
	}
	err = run(t.Context(), []string{"-suite", "gateway", "-row", "NDJSON", "-clients", ekafServe, "-ekaf", fails, "-rounds", "1", "-results", dir})
	if err == nil || !strings.Contains(err.Error(), "1 cells are void") {
		t.Errorf("the run ends with %v", err)
	}
	if s := readResults(t, dir); len(s) != 1 || !strings.Contains(s[0].Void, "ended before it listened") {
		t.Errorf("samples are %+v", s)
	}
}

func TestEventsHaveTheirSizeAndDiffer(t *testing.T) {
	seen := map[string]bool{}
	for i := range 3000 {
		e := string(event(i, 100))
		if len(e) != 100 || e[0] != '{' || e[99] != '}' {
			t.Fatalf("event %q of %d bytes", e, len(e))
		}
		seen[e] = true
	}
	if len(seen) != 3000 {
		t.Errorf("%d different events", len(seen))
	}
	many := requests(linesRow(), "t")
	if len(many) != fewRequests || many[0].Messages != 1000 || bytes.Count(many[0].Bytes, []byte("}\n")) != 1000 || bytes.Equal(many[0].Bytes, many[1].Bytes) {
		t.Errorf("%d requests of %d messages", len(many), many[0].Messages)
	}
}

func TestWhatAServerClaimsIsHeldAgainstTheBroker(t *testing.T) {
	gateway, _ := findServer(ekafServe)
	bare, _ := findServer(bareHTTP)
	row := load.Row{Measure: load.Requests, Warmup: 10, Records: 90}
	away := row
	away.Measure = load.Away
	for name, c := range map[string]struct {
		server  server
		row     load.Row
		sample  Sample
		counted broker.Counters
		wrong   string
	}{
		"all arrived":        {gateway, row, Sample{Acked: 100}, broker.Counters{Records: 100}, ""},
		"one is missing":     {gateway, row, Sample{Acked: 100}, broker.Counters{Records: 99}, "counted 99 records, and 2xx were given for 100"},
		"one too many":       {gateway, row, Sample{Acked: 100}, broker.Counters{Records: 101}, "counted 101"},
		"not all were taken": {gateway, row, Sample{Acked: 99}, broker.Counters{Records: 99}, "99 records accepted of 100"},
		"taken while away":   {gateway, away, Sample{Acked: 77}, broker.Counters{Records: 77}, ""},
		"lost while away":    {gateway, away, Sample{Acked: 77}, broker.Counters{Records: 76}, "counted 76"},
		"a batch came twice": {gateway, row, Sample{Acked: 100}, broker.Counters{Records: 100, Duplicates: 1}, "repeated"},
		"other values":       {gateway, row, Sample{Acked: 100, Sum: 1}, broker.Counters{Records: 100, VerifiedRecords: 100}, "other values"},
		"bare":               {bare, row, Sample{Acked: 100, Sum: 1}, broker.Counters{}, ""},
		"bare to somewhere":  {bare, row, Sample{Acked: 100}, broker.Counters{Records: 1}, "counted 1"},
	} {
		err := c.server.check(c.sample, c.row, c.counted, strings.Contains(name, "values"))
		if (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTheGatewaysTargetsAreJudged(t *testing.T) {
	door, away := doorRow(), awayRow()
	for name, c := range map[string]struct {
		row     load.Row
		target  string
		samples map[string]Sample
		want    outcome
	}{
		"requests/s":       {door, "/async: requests/s", map[string]Sample{ekafServe: {RecordsPerS: 70}, bareHTTP: {RecordsPerS: 100}}, met},
		"too few":          {door, "/async: requests/s", map[string]Sample{ekafServe: {RecordsPerS: 69}, bareHTTP: {RecordsPerS: 100}}, missed},
		"nothing beside":   {door, "/async: requests/s", map[string]Sample{ekafServe: {RecordsPerS: 69}}, notRun},
		"tail":             {door, "/async: p99", map[string]Sample{ekafServe: {P99: 150}, bareHTTP: {P99: 100}}, met},
		"a long tail":      {door, "/async: p99", map[string]Sample{ekafServe: {P99: 151}, bareHTTP: {P99: 100}}, missed},
		"allocations":      {door, "/async: allocations a request", map[string]Sample{ekafServe: {AllocsPerRecord: 12}, bareHTTP: {AllocsPerRecord: 10}}, met},
		"one more":         {door, "/async: allocations a request", map[string]Sample{ekafServe: {AllocsPerRecord: 12.1}, bareHTTP: {AllocsPerRecord: 10}}, missed},
		"lines":            {linesRow(), "NDJSON: CPU a message", map[string]Sample{ekafServe: {CPUPerRecord: 1000}}, met},
		"slow lines":       {linesRow(), "NDJSON: CPU a message", map[string]Sample{ekafServe: {CPUPerRecord: 1001}}, missed},
		"kept":             {away, "Kafka away: rate kept", map[string]Sample{ekafServe: {RecordsPerS: 100, AwayPerS: 90}}, met},
		"not kept":         {away, "Kafka away: rate kept", map[string]Sample{ekafServe: {RecordsPerS: 100, AwayPerS: 89}}, missed},
		"refused":          {away, "Kafka away, buffer full: 503, p99", map[string]Sample{ekafServe: {HandlerP99: 1_000_000}}, met},
		"refused too late": {away, "Kafka away, buffer full: 503, p99", map[string]Sample{ekafServe: {HandlerP99: 2_000_000}}, missed},
		"idle":             {connectedRow(), "10,000 idle connections: memory", map[string]Sample{ekafServe: {Held: 400 << 20}}, met},
		"too much":         {connectedRow(), "10,000 idle connections: memory", map[string]Sample{ekafServe: {Held: 401 << 20}}, missed},
	} {
		t.Run(name, func(t *testing.T) {
			for _, suite := range []string{"gateway", "targets"} {
				v := find(t, judge(suite, told(c.row, c.samples)), c.target, c.row.Name())
				if got := v.outcome(); got != c.want {
					t.Errorf("it is %s: %v", got, v.cells())
				}
			}
		})
	}
}

// Each part of the document is written by the runs that have its rows, and left
// alone by others.
func TestTheGatewaysPartOfTheDocument(t *testing.T) {
	dir := t.TempDir()
	file, doc := filepath.Join(dir, "samples.jsonl"), filepath.Join(dir, "doc.md")
	rec := &recorder{}
	var err error
	if rec.f, err = os.Create(file); err != nil {
		t.Fatal(err)
	}
	for _, client := range []string{ekafServe, bareHTTP} {
		rec.add(Sample{Client: client, Row: doorRow(), RecordsPerS: 40_000, P99: 3_000_000, Go: "go9.9", Machine: "abacus", Time: "2026-01-02T03:04:05Z"})
	}
	rec.close()
	before := parts[0].begin + "\nold clients\n" + parts[0].end + "\nbetween\n" + parts[1].begin + "\nold servers\n" + parts[1].end + "\nafter\n"
	if err := os.WriteFile(doc, []byte(before), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, suite := range []string{"gateway", "targets"} {
		if err := run(t.Context(), []string{"-suite", suite, "-from", file, "-doc", doc}); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{
			parts[0].begin + "\nold clients\n" + parts[0].end + "\nbetween\n" + parts[1].begin, parts[1].end + "\nafter\n",
			"abacus; go9.9; 2026-01-02; medians of 1 or more rounds", "| /async: requests/s | POST /async 100B x12, 64 connections | 40k | ≥ 28k | 0.7 × the bare handler's 40k | met |",
			"kafboy", "ekaf-serve: `ekaf serve`",
		} {
			if !bytes.Contains(text, []byte(want)) {
				t.Errorf("suite %s: %q is missing from\n%s", suite, want, text)
			}
		}
		if bytes.Contains(text, []byte("old servers")) || bytes.Contains(text, []byte("franz-go")) {
			t.Errorf("suite %s wrote\n%s", suite, text)
		}
	}
}

func TestServersAreForTheirRowsAlone(t *testing.T) {
	for _, c := range []struct {
		row  load.Row
		ask  string
		want []string
	}{
		{doorRow(), "all", []string{ekafServe, bareHTTP}},
		{doorRow(), "franz-go", nil},
		{standard(), bareHTTP, nil},
	} {
		entries, err := pick([]string{c.ask}, c.row)
		var names []string
		for _, e := range entries {
			names = append(names, e.Name)
		}
		if err != nil || !slices.Equal(names, c.want) {
			t.Errorf("%s does %s: %v, %v", c.ask, c.row.Name(), names, err)
		}
	}
	p := plan{brokers: "b:1"}
	row := doorRow()
	row.Cluster = load.Kafka
	if p.possible(row) {
		t.Error("a server is measured on a real cluster, which does not tell when all is there")
	}
}

func TestTheHandlersOwnTimes(t *testing.T) {
	text := func(counts ...int) string {
		s := "# HELP x\nekaf_gateway_request_seconds_bucket{method=\"GET\",route=\"/async/{topic}\",le=\"0.001\"} 7\n"
		for i, le := range []string{"5e-05", "0.001", "+Inf"} {
			s += fmt.Sprintf("ekaf_gateway_request_seconds_bucket{method=\"POST\",route=\"/async/{topic}\",le=%q} %d\n", le, counts[i])
		}
		return s
	}
	read := func(counts ...int) handlerTimes {
		times, err := readHandlerTimes(text(counts...))
		if err != nil || len(times) != 3 {
			t.Fatalf("%v, %v", times, err)
		}
		return times
	}
	before := read(1000, 2000, 3000)
	for want, after := range map[time.Duration]handlerTimes{
		50 * time.Microsecond: read(1099, 2099, 3100),
		time.Millisecond:      read(1098, 2099, 3100),
		math.MaxInt64:         read(1098, 2098, 3100),
	} {
		if got := after.quantile(before, 0.99); got != want {
			t.Errorf("p99 is %v, want %v", got, want)
		}
	}
	for _, text := range []string{"", "ekaf_gateway_request_seconds_bucket{method=\"POST\",route=\"/async/{topic}\",le=\"x\"} 1\n"} {
		if times, err := readHandlerTimes(text); err == nil {
			t.Errorf("%q is taken for %v", text, times)
		}
	}
}
