package cluster

import (
	"testing"
	"time"
)

func TestSchedule(t *testing.T) {
	at := time.Unix(1000, 0)
	for _, tc := range []struct {
		name string
		s    schedule
		want time.Duration // after the last attempt; -1: at once
	}{
		{"never tried", schedule{}, -1},
		{"nothing open", schedule{last: at}, time.Minute},
		{"one failure", schedule{last: at, failures: 1}, 50 * time.Millisecond},
		{"three failures", schedule{last: at, failures: 3}, 200 * time.Millisecond},
		{"a thousand failures", schedule{last: at, failures: 1000}, time.Second},
		{"a new topic", schedule{last: at, fresh: true}, -1},
		{"a new topic, but the cluster is down", schedule{last: at, fresh: true, failures: 9}, time.Second},
		{"Refresh", schedule{last: at, asked: true}, 50 * time.Millisecond},
		{"Refresh, but the cluster is down", schedule{last: at, asked: true, failures: 4}, 400 * time.Millisecond},
		{"a topic open for long", schedule{last: at, open: 70}, time.Second},
		{"Refresh while a topic is open for long", schedule{last: at, open: 70, asked: true}, 50 * time.Millisecond},
		{"RefreshEvery below the back-off", schedule{last: at, open: 70, every: 10 * time.Millisecond}, 10 * time.Millisecond},
	} {
		tc.s.backoffMin, tc.s.backoffMax, tc.s.jitter = 50*time.Millisecond, time.Second, 1
		if tc.s.every == 0 {
			tc.s.every = time.Minute
		}
		tc.s.full = tc.s.last
		due := tc.s.due()
		if tc.want < 0 && !due.IsZero() || tc.want >= 0 && due != at.Add(tc.want) {
			t.Errorf("%s: due %v after the last attempt, want %v", tc.name, due.Sub(at), tc.want)
		}
	}
}

func TestScheduleJitter(t *testing.T) {
	var s schedule
	for range 100 {
		s.failed(time.Unix(1, 0))
		if s.jitter < 0.8 || s.jitter > 1.2 {
			t.Fatalf("jitter %v", s.jitter)
		}
	}
	s.answered(time.Unix(2, 0), true, false)
	s.answered(time.Unix(3, 0), false, false)
	if s.failures != 0 || s.open != 2 || s.full != time.Unix(2, 0) {
		t.Errorf("%d failures, open %d", s.failures, s.open)
	}
	if s.answered(time.Unix(4, 0), true, true); s.open != 0 {
		t.Errorf("open %d", s.open)
	}
}

func TestCandidates(t *testing.T) {
	s := emptySnapshot()
	for i := range int32(10) {
		s.Brokers[i] = Broker{ID: i, Host: "known", Port: 1000 + i}
	}
	seeds := []string{"seed1", "known:1004", "seed2:1", "seed1:9092"}
	list := candidates(s, seeds, false, map[string]bool{"known:1003": true, "seed2:1": true})
	if len(list) != 12 {
		t.Fatalf("%d candidates: %v", len(list), list)
	}
	for i, c := range list[:preferKnown] {
		if c.broker < 0 || c.addr == "known:1003" {
			t.Errorf("candidate %d is %+v", i, c)
		}
	}
	if list[preferKnown].addr != "seed1:9092" || !list[preferKnown].seed {
		t.Errorf("the first seed is %+v", list[preferKnown])
	}
	for _, c := range list[10:] {
		if c.addr != "known:1003" && c.addr != "seed2:1" {
			t.Errorf("%+v comes behind those to avoid", c)
		}
	}
	for _, c := range candidates(s, seeds, true, nil) {
		if !c.seed {
			t.Errorf("%+v is no seed", c)
		}
	}
}
