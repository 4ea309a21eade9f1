package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/bench/load"
	"github.com/ekaf-go/ekaf/ekaftest"
)

func TestIdleMemoryDowntimeAndRates(t *testing.T) {
	dir := t.TempDir()
	for _, args := range [][]string{
		{"-suite", "states", "-scale", "0.01"},
		{"-suite", "original", "-row", "1000 records"},
		{"-suite", "original", "-row", "sticky"},
	} {
		args = append(args, "-clients", "ekaf,franz-go", "-rounds", "1", "-results", filepath.Join(dir, args[3]))
		if err := run(t.Context(), args); err != nil {
			t.Fatal(args, err)
		}
	}
	samples := append(readResults(t, filepath.Join(dir, "0.01")), readResults(t, filepath.Join(dir, "1000 records"))...)
	for _, s := range append(samples, readResults(t, filepath.Join(dir, "sticky"))...) {
		var ok bool
		switch s.Row.Measure {
		case load.Idle:
			ok = s.Held > 0 && s.HeldHeap > 0
		case load.Downtime:
			ok = s.CPUPerRecord > 0 && s.RecordsPerS > 0
		case load.Rates:
			ok = s.CallsPerS >= s.RecordsPerS && s.RecordsPerS > 0
		}
		if !ok || s.Acked != s.Row.Total() {
			t.Errorf("%s, %s: %+v", s.Row.Name(), s.Client, s)
		}
	}
}

func TestProgramsAreFedAndCounted(t *testing.T) {
	dir := t.TempDir()
	if err := run(t.Context(), []string{"-suite", "pipe", "-scale", "0.005", "-rounds", "1", "-verify", "-results", dir}); err != nil {
		t.Fatal(err)
	}
	want := 1
	if _, err := exec.LookPath("kcat"); err == nil {
		want = 2
	}
	samples := readResults(t, dir)
	if len(samples) != want {
		t.Errorf("%d samples", len(samples))
	}
	for _, s := range samples {
		if s.Acked != 10_000 || s.CPUPerRecord <= 0 || s.Machine == "" {
			t.Errorf("sample %+v", s)
		}
	}
}

func TestAProgramThatFailsIsVoid(t *testing.T) {
	dir := t.TempDir()
	nothing := filepath.Join(dir, "no-such-program")
	err := run(t.Context(), []string{"-suite", "pipe", "-clients", ekafProduce, "-ekaf", nothing, "-rounds", "1", "-results", dir})
	if err == nil || !strings.Contains(err.Error(), "1 cells are void") {
		t.Errorf("the run ends with %v", err)
	}
	if s := readResults(t, dir); len(s) != 1 || !strings.Contains(s[0].Void, "cannot start ekaf-produce") {
		t.Errorf("samples are %+v", s)
	}
}

func TestACluster(t *testing.T) {
	c := ekaftest.Start(t)
	dir := t.TempDir()
	err := run(t.Context(), []string{
		"-suite", "calls", "-brokers", c.Addrs()[0], "-row", "unkeyed callback", "-clients", "ekaf,franz-go",
		"-scale", "0.002", "-rounds", "1", "-results", dir,
	})
	if err != nil {
		t.Fatal(err)
	}
	samples := readResults(t, dir)
	if len(samples) != 2 {
		t.Fatalf("%d samples", len(samples))
	}
	for _, s := range samples {
		if s.Acked != s.Row.Records+s.Row.Warmup || s.Row.Cluster != load.Kafka {
			t.Errorf("sample %+v", s)
		}
	}
}

// What a cluster took is held against what was sent: a record which somebody
// else wrote to the sample's topic must void it.
func TestAClusterCountsWhatItTook(t *testing.T) {
	c := ekaftest.Start(t)
	k, err := openKafka(t.Context(), c.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer k.close(t.Context())
	row := kafkaRow()
	row.Records, row.Warmup = 10, 0
	where, err := k.prepare(t.Context(), row, false)
	if err != nil {
		t.Fatal(err)
	}
	job := Job{Client: "franz-go", Row: row, Broker: where.broker, Topic: where.topic, Timeout: time.Minute}
	for range 2 {
		if _, err := measure(t.Context(), job); err != nil {
			t.Fatal(err)
		}
	}
	counted, err := k.counted(t.Context())
	if err != nil || counted.Records != 20 {
		t.Errorf("counted %+v, %v", counted, err)
	}
	if err := check(Sample{Acked: 10}, row, counted, false); err == nil {
		t.Error("twice the records are taken for right")
	}
}

func TestNoCluster(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := openKafka(ctx, "127.0.0.1:1"); err == nil || !strings.Contains(err.Error(), "cannot reach any of") {
		t.Errorf("a cluster which is not there: %v", err)
	}
	if _, _, err := parse([]string{"-suite", "real"}); err == nil || !strings.Contains(err.Error(), "-brokers") {
		t.Errorf("suite real without a cluster: %v", err)
	}
}

func TestProgramsAreReadByTheirLastLine(t *testing.T) {
	job := Job{Row: kafkaRow()} // a million records
	var s Sample
	if err := readJava(job, "warning\n{\"acked\":7,\"cpu_ns\":5e8,\"took_ns\":2e9}\n", "", &s); err != nil {
		t.Fatal(err)
	}
	if s.Acked != 7 || s.CPUPerRecord != 500 || s.RecordsPerS != 500_000 {
		t.Errorf("sample %+v", s)
	}
	if err := readEkaf(job, "", "note: x\n{\"acked\":9}\n", &s); err != nil || s.Acked != 9 {
		t.Errorf("sample %+v, %v", s, err)
	}
	if readJava(job, "", "", &s) == nil || readEkaf(job, "", "ekaf: no", &s) == nil {
		t.Error("a program that says nothing is taken for right")
	}
}
