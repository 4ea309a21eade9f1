package faults

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestNoDescriptorIsLeft: connections come and go, and after Close no file
// descriptor is left of them.
func TestNoDescriptorIsLeft(t *testing.T) {
	kafka := ekaftest.Start(t, ekaftest.Brokers(3), ekaftest.Topic(topic, 6))
	before := descriptors(t)
	for round := range 4 {
		p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Workers(2), ekaf.ConnectionsPer(ekaf.PerWorker),
			ekaf.Backoff(time.Millisecond, 10*time.Millisecond), ekaf.StatsD("127.0.0.1:8125"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 200 {
			if err := p.ProduceAsync(t.Context(), topic, ekaf.KeyValue(fmt.Sprint(i), "x")); err != nil {
				t.Fatal(err)
			}
			if i%40 == 20 {
				kafka.Network(int32(i/40) % 3).Cut()
			}
		}
		if round%2 == 0 {
			if err := kafka.Restart(); err != nil {
				t.Fatal(err)
			}
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	// The brokers' ends are this process's too, and close a moment later.
	for range 200 {
		if descriptors(t) <= before {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d file descriptors were open before, %d are now", before, descriptors(t))
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
