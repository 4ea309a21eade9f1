package conn

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestDoorsHoldBackSeveralWhoKnock: five who each keep a back-off of one second
// try a dead broker no more often than one who did so every 0.7 s.
func TestDoorsHoldBackSeveralWhoKnock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		refused := errors.New("refused")
		dials := map[string]int{}
		cfg := &Config{
			Doors: NewDoors(50*time.Millisecond, time.Second),
			Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
				dials[addr]++
				return nil, refused
			},
		}
		for range 100 { // ten seconds
			for range 5 {
				if _, err := Dial(t.Context(), cfg, "dead:9092"); !errors.Is(err, refused) {
					t.Fatalf("an attempt that was held back answers %v", err)
				}
			}
			time.Sleep(100 * time.Millisecond)
		}
		if _, err := Dial(t.Context(), cfg, "other:9092"); !errors.Is(err, refused) || dials["other:9092"] != 1 {
			t.Errorf("the failures of one address hold back another: %v", err)
		}
		if n := dials["dead:9092"]; n < 10 || n > 20 {
			t.Errorf("%d attempts in ten seconds, want 10 to 20", n)
		}
	})
}

// TestDoorsOpenAgain: a success ends the pause, and the next failure begins a
// short one; an attempt that its caller called off is no failure.
func TestDoorsOpenAgain(t *testing.T) {
	d, now, down := NewDoors(50*time.Millisecond, time.Second), time.Now(), errors.New("down")
	for range 10 {
		d.tried("a", now, down)
		now = now.Add(time.Second)
	}
	d.tried("a", now, down)
	if d.try("a", now.Add(650*time.Millisecond)) == nil || d.try("a", now.Add(750*time.Millisecond)) != nil {
		t.Error("the pause is not 0.7 of the longest back-off")
	}
	d.tried("a", now, nil)
	if err := d.try("a", now); err != nil {
		t.Errorf("after a success: %v", err)
	}
	d.tried("a", now, down)
	if d.try("a", now.Add(30*time.Millisecond)) == nil || d.try("a", now.Add(40*time.Millisecond)) != nil {
		t.Error("the pause after a first failure is not 0.7 of the shortest back-off")
	}

	ctx, cancel := context.WithCancel(t.Context())
	cfg := &Config{Doors: d, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		cancel()
		return nil, ctx.Err()
	}}
	if _, err := Dial(ctx, cfg, "b:9092"); err == nil || d.try("b:9092", time.Now()) != nil {
		t.Errorf("an attempt called off (%v) counts as a failure", err)
	}
}
