package sender

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

func TestIdleSenderSendsImmediateAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("t", nil))[0]
		sc.confirm(l)
		start := time.Now()
		sc.put(l, true, "now")
		a := sc.one()
		if passed := time.Since(start); passed != 0 {
			t.Errorf("it was sent after %v of virtual time, want none", passed)
		}
		a.ok()
		sc.acked(1)
	})
}

// While a request is in flight, immediate messages grow a batch, which goes when
// the answer is there.
func TestImmediateMessagesGatherBehindARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(2, sc.topic("t", nil))
		sc.confirm(lanes...)
		sc.put(lanes[0], true, "first")
		first := sc.one()
		for i := range 3 {
			sc.put(lanes[0], true, fmt.Sprintf("a%d", i))
			sc.put(lanes[1], true, fmt.Sprintf("b%d", i))
		}
		sc.none()
		first.ok()
		second := sc.one()
		if got := sent(t, second); !slices.Equal(slices.Sorted(slices.Values(got)), []string{"a0", "a1", "a2", "b0", "b1", "b2"}) {
			t.Errorf("the second request holds %v", got)
		}
		if n := len(second.req.Topics[0].Partitions); n != 2 {
			t.Errorf("the second request holds %d batches, want one of each lane", n)
		}
		second.ok()
		sc.acked(7)
	})
}

// A full batch follows the one in flight at once: only open batches wait.
func TestFullBatchesArePipelined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("t", func(c *worker.Config) { c.BatchRecords = 2 }))[0]
		sc.confirm(l)
		for i := range 4 {
			sc.put(l, false, fmt.Sprint(i))
		}
		list := sc.settled()
		if len(list) != 2 {
			t.Fatalf("%d requests in flight, want 2", len(list))
		}
		for i, a := range list {
			if got, want := sent(t, a), []string{fmt.Sprint(2 * i), fmt.Sprint(2*i + 1)}; !slices.Equal(got, want) {
				t.Errorf("request %d holds %v, want %v", i, got, want)
			}
			a.ok()
		}
		sc.acked(4)
	})
}

func TestNeverMoreThanFiveInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(3, sc.topic("t", nil))
		sc.confirm(lanes...)
		for _, l := range lanes {
			sc.backlog(l, 30)
			synctest.Wait() // the first lane alone fills the pipeline
		}
		messages := 0
		for list := sc.settled(); len(list) > 0; list = sc.settled() {
			if len(list) > 5 {
				t.Fatalf("%d requests in flight, want at most 5", len(list))
			}
			for i, a := range list {
				messages += len(sent(t, a))
				a.ok()
				if i+1 < len(list) {
					// As one answer goes out, at most one request more comes in.
					sc.settle(i + 1)
				}
			}
		}
		if messages != 90 {
			t.Errorf("%d messages were sent, want 90, each once", messages)
		}
		sc.acked(90)
	})
}

// settle waits until nothing moves and fails if more than most requests wait.
func (sc *scene) settle(most int) {
	sc.t.Helper()
	synctest.Wait()
	sc.broker.mu.Lock()
	defer sc.broker.mu.Unlock()
	if n := len(sc.broker.waiting); n > most {
		sc.t.Fatalf("%d requests are in flight too many", n-most)
	}
}

func TestLingerIsRespected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(2, sc.topic("t", func(c *worker.Config) { c.Linger = 200 * time.Millisecond }))
		sc.confirm(lanes...)
		start := time.Now()
		sc.put(lanes[0], false, "a")
		time.Sleep(50 * time.Millisecond)
		sc.put(lanes[0], false, "a, too")
		sc.put(lanes[1], false, "b")
		time.Sleep(149 * time.Millisecond)
		sc.none()
		time.Sleep(time.Millisecond)
		a := sc.one()
		if got := sent(t, a); !slices.Equal(got, []string{"a", "a, too"}) {
			t.Errorf("after %v: %v", time.Since(start), got)
		}
		a.ok()
		time.Sleep(49 * time.Millisecond)
		sc.none()
		time.Sleep(time.Millisecond)
		b := sc.one()
		if got := sent(t, b); !slices.Equal(got, []string{"b"}) {
			t.Errorf("after %v: %v", time.Since(start), got)
		}
		b.ok()
		sc.acked(3)
	})
}

// A linger that is set while the broker is away counts from the first message;
// the batch goes as soon as the connection stands.
func TestLingerPassesWhileDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, func(sc *scene) { sc.broker.refusing = true })
		l := sc.lanes(1, sc.topic("t", func(c *worker.Config) { c.Linger = 100 * time.Millisecond }))[0]
		sc.put(l, false, "patient")
		time.Sleep(5 * time.Second)
		sc.broker.set(func() { sc.broker.refusing = false })
		time.Sleep(sc.cfg.BackoffMax)
		sc.one().ok()
		sc.acked(1)
	})
}

// A lane with a long backlog gets one batch in each request, as every other does.
func TestBacklogStarvesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(4, sc.topic("t", nil))
		sc.confirm(lanes...)
		sc.backlog(lanes[0], 40)
		first := sc.settled()
		for _, l := range lanes[1:] {
			sc.backlog(l, 1)
		}
		if len(first) != maxPipelined {
			t.Fatalf("%d requests in flight, want %d", len(first), maxPipelined)
		}
		first[0].ok()
		got := sent(t, sc.one())
		for partition := 1; partition < 4; partition++ {
			if !slices.Contains(got, fmt.Sprintf("t-%d-0", partition)) {
				t.Errorf("the next request holds %v, nothing of partition %d", got, partition)
			}
		}
	})
}

// Where not all ready lanes fit into a request, those left out come first in the
// next one.
func TestRequestsThatAreFullTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		const lanes = 7
		size := maxRequestBytes/3 + 1
		list := sc.lanes(lanes, sc.topic("t", func(c *worker.Config) { c.BatchBytes = maxRequestBytes }))
		sc.confirm(list...)
		blocker := sc.lanes(1, sc.topic("other", nil))[0]
		sc.broker.set(func() { sc.broker.waiting = nil })
		var held []*asked
		sc.put(blocker, true, "in flight")
		held = append(held, sc.one())
		for round := range 3 {
			for i, l := range list {
				sc.put(l, false, fmt.Sprintf("%d.%d.%s", round, i, strings.Repeat("x", size)))
				l.Mark()
			}
		}
		turns := map[string]int{}
		for len(held) > 0 {
			for _, a := range held {
				total := 0
				for _, topic := range a.req.Topics {
					for _, p := range topic.Partitions {
						total += len(p.Records)
					}
				}
				if total > maxRequestBytes+1000 {
					t.Errorf("a request holds %d bytes of batches, the limit is %d", total, maxRequestBytes)
				}
				for _, m := range sent(t, a) {
					name, _, _ := strings.Cut(m, "x")
					turns[name] = len(turns)
				}
				a.ok()
			}
			held = sc.settled()
		}
		for i := range lanes {
			for j := range lanes {
				if turns[fmt.Sprintf("0.%d.", i)] > turns[fmt.Sprintf("2.%d.", j)] {
					t.Errorf("lane %d had its third turn before lane %d had its first", j, i)
				}
			}
		}
		sc.acked(1 + 3*lanes)
	})
}

// A lane whose batch did not fit comes first in the next request, or smaller
// batches would go before it for ever.
func TestBatchThatDidNotFitGoesNext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		lanes := sc.lanes(4, sc.topic("t", func(c *worker.Config) { c.BatchBytes = maxRequestBytes }))
		sc.confirm(lanes...)
		sc.put(lanes[3], true, "to be throttled")
		a := sc.one()
		resp := a.response()
		resp.ThrottleMillis = 1000
		a.answer(resp)
		synctest.Wait()
		for i, size := range []int{maxRequestBytes * 3 / 4, maxRequestBytes / 2, maxRequestBytes * 3 / 4} {
			sc.put(lanes[i], false, strings.Repeat(string(rune('a'+i)), size))
			lanes[i].Mark()
		}
		time.Sleep(time.Second)
		order := ""
		for _, a := range sc.settled() {
			for _, m := range sent(t, a) {
				order += m[:1]
			}
			order += " "
		}
		if order != "a b c " {
			t.Errorf("batches went in the order %q, want a, b and c by themselves", order)
		}
	})
}

// Kafka takes only the last batch of a partition that a request names twice, so
// two workers of one partition never share a request (ENGINE_RULES 7).
func TestWorkersOfAPartitionNeverShareARequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sc := newScene(t, func(sc *scene) { sc.broker.gate = gate })
		p := sc.partition(0, sc.topic("t", func(c *worker.Config) { c.Workers = 3 }))
		other := sc.lanes(2, sc.topic("u", nil))[1]
		for worker := range 3 {
			for i := range 4 {
				sc.put(p.Lane(worker), true, fmt.Sprintf("%d.%d", worker, i))
				if i%2 == 0 {
					p.Lane(worker).Mark()
				}
			}
		}
		sc.put(other, true, "other")
		synctest.Wait()
		close(gate)
		order := map[string][]string{}
		for list := sc.settled(); len(list) > 0; list = sc.settled() {
			for _, a := range list {
				for _, topic := range a.req.Topics {
					seen := map[int32]bool{}
					for _, p := range topic.Partitions {
						if seen[p.Partition] {
							t.Errorf("a request names %s[%d] twice", topic.Topic, p.Partition)
						}
						seen[p.Partition] = true
					}
				}
				for _, m := range sent(t, a) {
					order[m[:1]] = append(order[m[:1]], m)
				}
				a.ok()
			}
		}
		for worker := range 3 {
			name := fmt.Sprint(worker)
			if got := order[name]; !slices.Equal(got, []string{name + ".0", name + ".1", name + ".2", name + ".3"}) {
				t.Errorf("worker %d sent %v", worker, got)
			}
		}
		sc.acked(13)
	})
}

// Topics that disagree on acks or timeout never share a request (ENGINE_RULES 18).
func TestAcksAndTimeoutsNeverMix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		sc := newScene(t, func(sc *scene) { sc.broker.gate = gate })
		type fields struct {
			acks   int16
			millis int32
		}
		of := map[string]fields{"all": {-1, 20000}, "all too": {-1, 20000}, "one": {1, 20000}, "none": {0, 20000}, "hasty": {-1, 700}}
		var names []string
		for name, f := range of {
			names = append(names, name)
			l := sc.lanes(1, sc.topic(name, func(c *worker.Config) {
				c.Acks, c.RequestTimeout = f.acks, time.Duration(f.millis)*time.Millisecond
				c.Idempotent = f.acks == -1
			}))[0]
			sc.put(l, true, name)
		}
		synctest.Wait()
		close(gate)
		var got []string
		requests := 0
		for list := sc.settled(); len(list) > 0; list = sc.settled() {
			for _, a := range list {
				requests++
				for _, topic := range a.req.Topics {
					got = append(got, topic.Topic)
					if f := of[topic.Topic]; f.acks != a.req.Acks || f.millis != a.req.TimeoutMillis {
						t.Errorf("%q is in a request with acks %d, timeout %d ms", topic.Topic, a.req.Acks, a.req.TimeoutMillis)
					}
				}
				if a.req.Acks != 0 {
					a.ok()
				}
			}
		}
		slices.Sort(got)
		slices.Sort(names)
		if requests != 4 || !slices.Equal(got, names) {
			t.Errorf("%d requests with %v, want 4 with each topic once", requests, got)
		}
		sc.acked(5)
	})
}

// With acks=0 there is no answer: a batch is done when it is written.
func TestAcksZeroIsDoneWhenWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc := newScene(t, nil)
		l := sc.lanes(1, sc.topic("t", func(c *worker.Config) { c.Acks, c.Idempotent = 0, false }))[0]
		for i := range 20 {
			sc.put(l, true, fmt.Sprint(i))
			synctest.Wait()
		}
		sc.acked(20)
		var got []string
		for _, a := range sc.settled() {
			got = append(got, sent(t, a)...)
		}
		if len(got) != 20 || got[0] != "0" || got[19] != "19" {
			t.Errorf("the broker got %v", got)
		}
	})
}

// zstd needs Produce v7 (KIP-110). An older broker gets the records plain. This
// runs on the real clock: pooled encoders must not meet two synctest bubbles.
func TestZstdGoesPlainToAnOldBroker(t *testing.T) {
	for version, codec := range map[int16]batch.Codec{3: batch.None, 6: batch.None, 7: batch.Zstd} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			got := make(chan *asked, 10)
			sc := newScene(t, func(sc *scene) {
				sc.broker.produceMax = version
				sc.broker.auto = func(a *asked) { got <- a; a.ok() }
			})
			value := strings.Repeat("the same again ", 500)
			for _, name := range []string{"gzip", "zstd"} {
				compressed := sc.topic(name, func(c *worker.Config) {
					c.Codec = map[string]batch.Codec{"gzip": batch.Gzip, "zstd": batch.Zstd}[name]
				})
				sc.put(sc.lanes(1, compressed)[0], true, value)
			}
			codecs := map[string]batch.Codec{}
			for len(codecs) < 2 {
				a := <-got
				for _, topic := range a.req.Topics {
					h, err := batch.ParseHeader(topic.Partitions[0].Records)
					if err != nil {
						t.Fatal(err)
					}
					codecs[topic.Topic] = h.Codec()
				}
				if got := sent(t, a); got[0] != value {
					t.Errorf("the record reads back as %d bytes", len(got[0]))
				}
			}
			if codecs["zstd"] != codec || codecs["gzip"] != batch.Gzip {
				t.Errorf("codecs %v, want %v for zstd", codecs, codec)
			}
		})
	}
}
