package door

import (
	"fmt"
	"sync"
	"testing"
)

// claim is what an answer says of a message.
type claim uint8

const (
	unknown  claim = iota // anything else, or no answer
	absent                // not in Kafka, and will not be
	accepted              // with the producer
	inKafka               // acknowledged
)

var claimNames = [...]string{"unknown", "absent", "accepted", "in Kafka"}

func (c claim) String() string { return claimNames[c] }

// ledger holds what was claimed of each message.
type ledger struct {
	mu     sync.Mutex // guards the following
	claims map[string]claim
	routes map[string]*[len(claimNames)]int // by route and claim
	counts [len(claimNames)]int
	grown  chan struct{} // closed at the next note
}

func newLedger() *ledger {
	return &ledger{claims: map[string]claim{}, routes: map[string]*[len(claimNames)]int{}, grown: make(chan struct{})}
}

func (l *ledger) note(route string, ids []string, claims []claim) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.routes[route] == nil {
		l.routes[route] = new([len(claimNames)]int)
	}
	for i, id := range ids {
		l.claims[id] = claims[i]
		l.counts[claims[i]]++
		l.routes[route][claims[i]]++
	}
	close(l.grown)
	l.grown = make(chan struct{})
}

// await waits until n messages more are claimed to be in Kafka, and, if failures
// are to be expected, some are not.
func (l *ledger) await(t *testing.T, n int, failures bool) {
	t.Helper()
	l.mu.Lock()
	until, failing := l.counts[inKafka]+n, 0
	if failures {
		failing = l.counts[unknown] + l.counts[absent] + 20
	}
	l.mu.Unlock()
	for {
		l.mu.Lock()
		done, grown := l.counts[inKafka] >= until && l.counts[unknown]+l.counts[absent] >= failing, l.grown
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-grown:
		case <-t.Context().Done():
			t.Fatalf("the test ended before %d more messages were in Kafka", n)
		}
	}
}

// verify holds the claims against how often a consumer saw each message. drained:
// the program says that it has delivered all that it accepted.
func (l *ledger) verify(t *testing.T, seen map[string]int, drained bool) {
	t.Helper()
	wrong := map[string]int{}
	for id, claimed := range l.claims {
		n := seen[id]
		switch {
		case n > 1:
			wrong[fmt.Sprintf("%s is there %d times", claimed, n)]++
		case n == 0 && (claimed == inKafka || claimed == accepted && drained):
			wrong[fmt.Sprintf("%s is lost", claimed)]++
		case n == 1 && claimed == absent:
			wrong["absent is there"]++
		default:
			continue
		}
		if len(wrong) < 10 {
			t.Errorf("%s was claimed to be %v: a consumer sees it %d times", id, claimed, n)
		}
	}
	for what, n := range wrong {
		t.Errorf("%s: %d", what, n)
	}
	for id := range seen {
		if _, known := l.claims[id]; !known {
			t.Errorf("a consumer sees %q, which nobody sent", id)
		}
	}
	for route, counts := range l.routes {
		t.Logf("%-42s unknown %5d  absent %5d  accepted %5d  in Kafka %5d", route, counts[unknown], counts[absent], counts[accepted], counts[inKafka])
	}
}
