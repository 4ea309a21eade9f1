package main

import (
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/internal/properties"
)

func TestWeigh(t *testing.T) {
	for text, want := range map[string]verdict{
		"1 2 3":     {arrived: 3},
		"1 3":       {arrived: 2, lost: 1},
		"1 2 2 3":   {arrived: 3, duplicated: 1},
		"1 3 2":     {arrived: 3, disordered: 1},
		"":          {lost: 3},
		"1 2 3 odd": {arrived: 3, disordered: 1},
	} {
		if got := weigh(strings.Fields(text), 3); got != want {
			t.Errorf("%q: got %+v, want %+v", text, got, want)
		}
	}
}

// tenEvents are the names under which the demo must print the original's events.
var tenEvents = []string{
	"time_to_connect.broker0.0", "worker_up.broker0.0", "mainbroker_unreachable", "worker_still_down", "time_down",
	"flush.broker0.0", "flushed_replied.broker0.0", "downtime_saved", "downtime_replayed", "max_downtime_buffer_reached",
}

const demoVerdict = "20 of 20, 0 lost, 0 duplicated, 0 out of order\n"

func checkDemo(t *testing.T, r result) {
	t.Helper()
	if r.code != exitDone || !strings.HasSuffix(r.out, demoVerdict) {
		t.Errorf("exit code %d\n%s%s", r.code, r.out, r.errOut)
	}
	for _, name := range tenEvents {
		if !strings.Contains(r.out, "\nekaf."+name+" => ") && !strings.Contains(r.out, "\nekaf."+name+".broker0.0 => ") {
			t.Errorf("the event %s is missing in\n%s", name, r.out)
		}
	}
	if !strings.Contains(r.out, `kafka_consumer_loop INCOMING ["1","2","3","4","5","6","7","8","9","10","11","12","13","14","15","16","17","18","19","20"]`) {
		t.Errorf("what a consumer sees is missing in\n%s", r.out)
	}
}

func TestDemo(t *testing.T) {
	t.Parallel()
	checkDemo(t, ekafRun(t, "", "demo"))
}

// TestDemoOnACluster has more partitions, and messages of others in the topic.
func TestDemoOnACluster(t *testing.T) {
	t.Parallel()
	c := ekaftest.Start(t, ekaftest.Topic("ekaf", 3))
	if r := ekafRun(t, "old\n", "produce", "-b", c.Addrs()[0], "-t", "ekaf", "-p", "0"); r.code != exitDone {
		t.Fatalf("%+v", r)
	}
	checkDemo(t, ekafRun(t, "", "demo", "--brokers", c.Addrs()[0]))
}

// TestDemoBesideAMock is the two-terminal quickstart: the mock must not leave
// before the demo has read back what it wrote.
func TestDemoBesideAMock(t *testing.T) {
	t.Parallel()
	addr, out, errOut, code := startMock(t, t.Context(), "--topic", "ekaf:1", "--expect", "20")
	checkDemo(t, ekafRun(t, "", "demo", "--brokers", addr))
	if c := <-code; c != exitDone || !strings.Contains(out.String(), `"20"]`) {
		t.Errorf("the mock ends with exit code %d\n%s%s", c, out.String(), errOut.String())
	}
}

// TestDemoThatCannotReadBackSpeaksOfNoLoss: what a consumer cannot see is not judged.
func TestDemoThatCannotReadBackSpeaksOfNoLoss(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("ekaf", 1))
	scene := clusterScene(t, c, "ekaf")
	c.Stop()
	values, err := scene.read(t.Context(), 1)
	if err == nil || values != nil || !strings.Contains(err.Error(), "nothing is known of losses") || !strings.Contains(err.Error(), c.Addrs()[0]) {
		t.Errorf("read answers %q, %v", values, err)
	}
}

func clusterScene(t *testing.T, c *ekaftest.Cluster, topic string) stage {
	t.Helper()
	var set properties.Set
	set.Add(properties.FromCommand, "--brokers", "bootstrap.servers", c.Addrs()[0])
	config, err := set.Config()
	if err != nil {
		t.Fatal(err)
	}
	scene, err := newClusterStage(t.Context(), config, topic, &narrator{out: t.Output()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(scene.close)
	return scene
}

func TestDemoCreatesItsTopic(t *testing.T) {
	c := ekaftest.Start(t)
	if clusterScene(t, c, "made"); c.Partitions("made") != 1 {
		t.Fatalf("the topic has %d partitions", c.Partitions("made"))
	}
}
