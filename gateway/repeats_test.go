package gateway

import (
	"fmt"
	"testing"
	"time"
)

// TestRepeatsAreBounded: in number and in bytes, whatever becomes of the requests.
func TestRepeatsAreBounded(t *testing.T) {
	rs := newRepeats(time.Hour, 10)
	now := time.Now()
	first, _ := rs.claim("kept", now)
	for i := range 100 { // requests that produce nothing leave nothing behind
		r, begins := rs.claim(fmt.Sprint("failed", i), now)
		if !begins {
			t.Fatal("a new key was known")
		}
		rs.drop(r)
	}
	if r, begins := rs.claim("kept", now); begins || r != first || rs.order.Len() != 1 {
		t.Errorf("an older request was forgotten; %d are remembered", rs.order.Len())
	}
	for i := range 100 {
		rs.claim(fmt.Sprint(i), now)
	}
	if len(rs.byKey) != 10 || rs.order.Len() != 10 {
		t.Errorf("%d and %d are remembered", len(rs.byKey), rs.order.Len())
	}
	if _, begins := rs.claim("90", now); begins {
		t.Error("asking for one of those remembered made room for none")
	}
	for i := range 100 {
		r, _ := rs.claim(fmt.Sprint("large", i), now)
		rs.keep(r, make([]byte, maxAnswers/4))
	}
	if rs.bytes > maxAnswers || len(rs.byKey) > 4 || rs.order.Len() != len(rs.byKey) {
		t.Errorf("%d bytes of %d answers are remembered", rs.bytes, len(rs.byKey))
	}
	if rs.claim("late", now.Add(2*time.Hour)); len(rs.byKey) != 1 || rs.bytes != 0 {
		t.Errorf("%d are remembered beyond their time, %d bytes", len(rs.byKey), rs.bytes)
	}
}
