package gateway

import (
	"fmt"
	"testing"
	"time"
)

// TestRepeatsAreBounded: in number and in bytes, and none is forgotten within its
// window for the sake of another.
func TestRepeatsAreBounded(t *testing.T) {
	rs := newRepeats(time.Hour, 100)
	now := time.Now()
	claim := func(principal, key string) (*repeat, bool) {
		return rs.claim(principal, keyOf(principal, "POST", "/", key), now)
	}
	first, _ := claim("shop", "kept")
	rs.keep(first, []byte("answer"), now)
	for i := range 1000 { // requests that produce nothing leave nothing behind
		r, begins := claim("shop", fmt.Sprint("failed", i))
		if !begins {
			t.Fatal("a new key was known")
		}
		rs.drop(r)
	}
	if rs.count() != 1 {
		t.Errorf("%d are remembered", rs.count())
	}
	greedy := 0
	for i := range 1000 {
		if r, _ := claim("greedy", fmt.Sprint(i)); r != nil {
			greedy++
		}
	}
	if greedy < 80 || greedy > 90 || rs.full.Load() != int64(1000-greedy) {
		t.Errorf("one principal has %d of 100, %d were turned away", greedy, rs.full.Load())
	}
	if r, begins := claim("another", "its first"); r == nil || !begins {
		t.Error("one principal left nothing for another")
	}
	if r, begins := claim("shop", "kept"); begins || r != first || string(r.out) != "answer" {
		t.Error("an answer was forgotten within its window")
	}
	now = now.Add(2 * time.Hour)
	if claim("shop", "late"); rs.count() != int64(greedy)+2 {
		t.Errorf("%d are remembered: those under way, and no answer beyond its time", rs.count())
	}
}

// TestRepeatsWithoutRoomForTheAnswer: the request is remembered all the same.
func TestRepeatsWithoutRoomForTheAnswer(t *testing.T) {
	rs := newRepeats(time.Hour, 100)
	now := time.Now()
	kept := 0
	for i := range 10 {
		r, _ := rs.claim("", keyOf("", "POST", "/", fmt.Sprint(i)), now)
		rs.keep(r, make([]byte, maxAnswers/4), now)
		if !r.unkept {
			kept++
		}
	}
	if kept != 3 || rs.bytes > maxAnswers || rs.count() != 10 {
		t.Errorf("%d answers of %d requests are remembered, %d bytes", kept, rs.count(), rs.bytes)
	}
	if rs.claim("", keyOf("", "POST", "/", "late"), now.Add(2*time.Hour)); rs.count() != 1 || rs.bytes != 0 || len(rs.owners) != 1 {
		t.Errorf("%d are remembered beyond their time, %d bytes", rs.count(), rs.bytes)
	}
}
