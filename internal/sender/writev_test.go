package sender

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// Rule 11: batches up to 4 KiB are copied into the request's buffer; only larger
// ones are slices of their own. What is read back is the same either way.
func TestRule11SmallBatchesAreCopied(t *testing.T) {
	for name, sizes := range map[string][]int{
		"small":        {10, 2000, 300, 3900},
		"large":        {5000, 6000},
		"mixed":        {10, 5000, 20, 30, 6000, 7000, 40},
		"large at end": {10, 20, 5000},
	} {
		t.Run(name, func(t *testing.T) { smallBatchesAreCopied(t, sizes) })
	}
}

func smallBatchesAreCopied(t *testing.T, sizes []int) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(len(sizes), sc.topic("t", nil))
		sc.confirm(lanes...)
		release := sc.hold()
		large := 0
		want := map[string]bool{}
		for i, l := range lanes {
			value := strings.Repeat(fmt.Sprint(i), sizes[i])
			want[value] = true
			sc.put(l, true, value)
			if sizes[i] > copiedBytes {
				large++
			}
		}
		var r *request
		release(func() {
			sc.sender.turn <- struct{}{}
			r = takeApart(sc.sender)
			<-sc.sender.turn
		})
		if n := slicesOver(r, copiedBytes); n != large {
			t.Errorf("%d slices belong to large batches, want %d", n, large)
		}
		if n := len(r.tail); n > 2*large {
			t.Errorf("%d batches make %d slices besides the frame, of which %d are large", len(sizes), n, large)
		}
		if err := r.write(); err != nil {
			t.Fatal(err)
		}
		a := sc.one()
		for _, value := range sent(t, a) {
			if !want[value] {
				t.Errorf("a value of %d bytes was not sent", len(value))
			}
			delete(want, value)
		}
		if len(want) != 0 {
			t.Errorf("%d values are missing", len(want))
		}
		a.ok()
		sc.acked(len(sizes))
	})
}

// takeApart is drain up to the write.
func takeApart(s *Sender) *request {
	r := s.build(s.born, true, maxRequestBytes)
	for i := range r.attempts {
		r.attempts[i].Stamp()
	}
	r.negotiate()
	r.encode()
	return r
}

func slicesOver(r *request, size int) (n int) {
	for _, b := range r.tail {
		if len(b) > size {
			n++
		}
	}
	return n
}

// Rule 11: on a stream that is no bare socket, as with TLS, a request of many
// batches is one write.
func TestRule11OneWriteOnOtherStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var wire *countingWire
		sc := newScene(t, func(sc *scene) {
			dial := sc.broker.Dial
			sc.cfg.Conn.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
				nc, err := dial(ctx, network, addr)
				wire = &countingWire{Conn: nc}
				return wire, err
			}
		})
		lanes := sc.lanes(40, sc.topic("t", func(c *worker.Config) {}))
		sc.confirm(lanes...)
		release := sc.hold()
		for i, l := range lanes {
			sc.put(l, true, strings.Repeat("v", 100+200*i)) // up to 7,900 bytes
		}
		wire.reset()
		release(sc.sender.poke)
		sc.one().ok()
		sc.acked(40)
		if n := wire.reset(); n != 1 {
			t.Errorf("a request of 40 batches is %d writes, want 1", n)
		}
	})
}

// countingWire is a stream that is no bare socket.
type countingWire struct {
	net.Conn
	mu     sync.Mutex // guards the following
	writes int
}

func (w *countingWire) Write(b []byte) (int, error) {
	w.mu.Lock()
	w.writes++
	w.mu.Unlock()
	return w.Conn.Write(b)
}

func (w *countingWire) reset() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.writes
	w.writes = 0
	return n
}
