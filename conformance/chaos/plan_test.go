package main

import (
	"bytes"
	"context"
	"errors"
	"testing"
)

// TestAFaultThatFailsHalfwayIsUndone: a broker that did not stop when asked is
// killed instead, which is told as an error; it must come back all the same.
func TestAFaultThatFailsHalfwayIsUndone(t *testing.T) {
	c, err := openEmbedded(1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r := &chaosRun{cluster: c, line: newTimeline(&bytes.Buffer{}, false), claims: map[string]bool{}, happened: map[string]int{}}
	s := settings{seed: 1}
	halfway := func(c cluster, broker int) error { return errors.Join(c.Kill(broker), errors.New("it was killed")) }
	f := &fault{run: r, rand: s.random("test", 0), kind: kind{name: "stop", begin: away(halfway, "stopped")}}
	f.happen(t.Context())
	if err := c.CreateTopic(t.Context(), probeTopic, 1); err != nil {
		t.Fatal(err)
	}
	if err := attempt(context.Background(), c, 1); err != nil {
		t.Errorf("the broker stays away: %v", err)
	}
	if r.skipped != 1 || len(r.claims) != 0 || r.spoiled != nil {
		t.Errorf("skipped %d, claims %v, spoiled %v", r.skipped, r.claims, r.spoiled)
	}
}
