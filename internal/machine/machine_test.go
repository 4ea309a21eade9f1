package machine

import (
	"testing"
)

type name string

func (n name) String() string { return string(n) }

const told = "BUG: a lamp moves from off to off"

// TestIllegal: with the tag invariants an illegal move panics; without it is
// counted, and told to who watches.
func TestIllegal(t *testing.T) {
	heard, unheard := make(chan string, 1), make(chan string, 1)
	stop := Watch(func(text string) { heard <- text })
	defer stop()
	Watch(func(text string) { unheard <- text })()
	before := Count()
	var panicked any
	func() {
		defer func() { panicked = recover() }()
		Illegal("a lamp", name("off"), name("off"))
	}()
	if Strict {
		if panicked != told || Count() != before {
			t.Errorf("panicked with %v; %d moves counted", panicked, Count()-before)
		}
		return
	}
	if panicked != nil || Count() != before+1 {
		t.Errorf("panicked with %v; %d moves counted", panicked, Count()-before)
	}
	if text := <-heard; text != told {
		t.Errorf("told %q", text)
	}
	if len(unheard) > 0 {
		t.Error("one who watches no more was told")
	}
}
