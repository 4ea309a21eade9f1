package sender

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// oldScene is a scene whose broker speaks Produce up to a version, and waits for
// the gate, so that what is put meanwhile shares a request.
func oldScene(t *testing.T, version int16) (sc *scene, open func()) {
	gate := make(chan struct{})
	sc = newScene(t, func(sc *scene) { sc.broker.gate, sc.broker.produceMax = gate, version })
	return sc, func() { synctest.Wait(); close(gate) }
}

func withoutIDs(c *worker.Config) { c.Idempotent = false }

// putMessage is one call with one message, with headers or without.
func (sc *scene) putMessage(l *worker.Lane, m batch.Message) {
	sc.t.Helper()
	_, generation := l.Partition.Choice()
	if ok, stopped := l.Begin(generation); !ok {
		sc.t.Fatalf("the lane takes no messages (stopped: %v)", stopped)
	}
	if full := l.Put(&m, sc, 0); full != nil {
		sc.t.Fatalf("no room in %s", full.Name)
	}
	l.Commit(true)
}

// setValues reads a plain or compressed message set by package kmsg.
func setValues(t testing.TB, set []byte) (values []string, codec batch.Codec) {
	t.Helper()
	for len(set) > 0 {
		magic := set[16]
		var v kmsg.MessageV1
		var old kmsg.MessageV0
		err := v.ReadFrom(set)
		if magic == 0 {
			err = old.ReadFrom(set)
			v.Attributes, v.Value, v.MessageSize = old.Attributes, old.Value, old.MessageSize
		}
		if err != nil {
			t.Fatal(err)
		}
		if v.Attributes != 0 {
			plain, err := batch.Decompress(nil, batch.Codec(v.Attributes), v.Value, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			values, _ := setValues(t, plain)
			return values, batch.Codec(v.Attributes)
		}
		values = append(values, string(v.Value))
		set = set[12+v.MessageSize:]
	}
	return values, batch.None
}

// Brokers before 0.11 get message sets: magic 0 with Produce v0 and v1, magic 1 with
// v2. What lanes of several topics hold goes into one request, each set where it belongs.
func TestOldBrokersGetMessageSets(t *testing.T) {
	for version := range int16(3) {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { oldRequestReadsBack(t, version) })
		})
	}
}

func oldRequestReadsBack(t *testing.T, version int16) {
	sc, open := oldScene(t, version)
	alpha, beta := sc.lanes(3, sc.topic("alpha", withoutIDs)), sc.lanes(3, sc.topic("beta", withoutIDs))
	for i := range 3 { // the topics take turns
		sc.put(alpha[i], false, fmt.Sprintf("alpha %d first, which is the longer one", i))
		sc.put(alpha[i], true, fmt.Sprintf("alpha %d second", i))
		sc.put(beta[i], true, fmt.Sprintf("beta %d", i))
	}
	open()
	a := sc.one()
	if a.req.Version != version || a.req.Acks != -1 || a.req.TimeoutMillis != 20000 || len(a.req.Topics) != 2 {
		t.Errorf("v%d, acks %d, timeout %d ms, %d topics", a.req.Version, a.req.Acks, a.req.TimeoutMillis, len(a.req.Topics))
	}
	for _, topic := range a.req.Topics {
		for i, p := range topic.Partitions {
			want := []string{fmt.Sprintf("%s %d", topic.Topic, i)}
			if topic.Topic == "alpha" {
				want = []string{fmt.Sprintf("alpha %d first, which is the longer one", i), fmt.Sprintf("alpha %d second", i)}
			}
			got, _ := setValues(t, p.Records)
			if !slices.Equal(got, want) || p.Partition != int32(i) || p.Records[16] != byte(version/2) {
				t.Errorf("%s[%d]: magic %d, %q", topic.Topic, p.Partition, p.Records[16], got)
			}
		}
	}
	resp := a.response()
	resp.ThrottleMillis = 10
	a.answer(resp)
	sc.acked(9)
	if throttled := version >= throttleFrom; (len(sc.pauses) > 0) != throttled {
		t.Errorf("paused %v; the answer has a throttle time: %v", sc.pauses, throttled)
	}
}

// Without an id only one batch of a lane is under way; the next follows its answer.
func TestOldBrokersGetOneBatchAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, open := oldScene(t, 2)
		l := sc.lanes(1, sc.topic("t", withoutIDs))[0]
		sc.backlog(l, 3)
		open()
		for i := range 3 {
			a := sc.one()
			if got, _ := setValues(t, a.req.Topics[0].Partitions[0].Records); !slices.Equal(got, []string{fmt.Sprintf("t-0-%d", i)}) {
				t.Errorf("request %d holds %q", i, got)
			}
			a.ok()
		}
		sc.acked(3)
	})
}

// A message with headers fails alone, before it is sent; those around it go on.
func TestHeadersFailAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, open := oldScene(t, 2)
		l := sc.lanes(1, sc.topic("t", withoutIDs))[0]
		headers := []batch.MessageHeader{{Key: "trace", Value: []byte("1")}}
		for i := range 5 {
			m := batch.Message{Value: fmt.Append(nil, i)}
			if i == 1 || i == 4 {
				m.Headers = headers
			}
			sc.putMessage(l, m)
		}
		open()
		a := sc.one()
		if got, _ := setValues(t, a.req.Topics[0].Partitions[0].Records); !slices.Equal(got, []string{"0", "2", "3"}) {
			t.Errorf("sent %q", got)
		}
		a.ok()
		synctest.Wait()
		failed := 0
		for _, r := range sc.results {
			switch {
			case r.Err == nil:
			case errors.Is(r.Err, ErrHeaders) && !r.MaybeWritten && !r.Retriable && r.Code == 0 && strings.Contains(r.Err.Error(), sc.address):
				failed++
			default:
				t.Errorf("failed with %+v", r)
			}
		}
		if failed != 2 || len(sc.results) != 5 {
			t.Errorf("%d of %d messages failed, want 2 of 5", failed, len(sc.results))
		}
		sc.putMessage(l, batch.Message{Value: []byte("alone"), Headers: headers})
		sc.none()
		sc.put(l, true, "after it")
		sc.one().ok()
	})
}

// A topic that was promised idempotence gets an error that names the option: the
// ids are not left out in silence. Other topics of the broker are not concerned.
func TestIdempotenceIsNotLeftOutInSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, open := oldScene(t, 2)
		sc.put(sc.lanes(1, sc.topic("promised", nil))[0], true, "m")
		sc.put(sc.lanes(1, sc.topic("plain", withoutIDs))[0], true, "m")
		open()
		a := sc.one()
		if len(a.req.Topics) != 1 || a.req.Topics[0].Topic != "plain" {
			t.Errorf("sent %+v", a.req.Topics)
		}
		a.ok()
		synctest.Wait()
		if len(sc.results) != 2 || !errors.Is(sc.results[0].Err, ErrIdempotence) || sc.results[0].MaybeWritten || sc.results[1].Err != nil {
			t.Errorf("the outcomes are %+v", sc.results)
		}
		if !strings.Contains(ErrIdempotence.Error(), "Idempotence(false)") {
			t.Errorf("the error names no option: %v", ErrIdempotence)
		}
	})
}

// The form of a batch belongs to an attempt: what an old broker may have got as a
// message set goes as a record batch once the broker was upgraded, and back.
func TestFormFollowsTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, open := oldScene(t, 1)
		l := sc.lanes(1, sc.topic("t", withoutIDs))[0]
		sc.put(l, true, "m")
		open()
		for _, version := range []int16{1, 7, 2, 13, 0} {
			a := sc.waitFor(sc.cfg.BackoffMax)
			if len(a) != 1 || a[0].req.Version != min(version, 12) {
				t.Fatalf("%d requests, the first of v%d, want v%d", len(a), a[0].req.Version, version)
			}
			records := a[0].req.Topics[0].Partitions[0].Records
			if want := min(byte(version/2), 2); version != 7 && version != 13 && records[16] != want || version >= 3 && records[16] != 2 {
				t.Errorf("v%d carries magic %d", version, records[16])
			}
			next := map[int16]int16{1: 7, 7: 2, 2: 13, 13: 0}[version]
			sc.broker.set(func() { sc.broker.produceMax = next })
			if version == 0 {
				a[0].ok()
				break
			}
			sc.broker.hangUp()
		}
		sc.acked(1)
	})
}

// With acks=0 a message set is done when it is written.
func TestOldBrokersWithoutAcks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sc, open := oldScene(t, 0)
		l := sc.lanes(1, sc.topic("t", func(c *worker.Config) { c.Idempotent, c.Acks = false, 0 }))[0]
		sc.backlog(l, 3)
		open()
		if got := sc.settled(); len(got) != 3 {
			t.Errorf("%d requests, want 3", len(got))
		}
		sc.acked(3)
	})
}

// Codecs stay, but for zstd, which no message set can have. This runs on the real
// clock: pooled encoders must not meet two synctest bubbles.
func TestCodecsOfMessageSets(t *testing.T) {
	value := strings.Repeat("the same again ", 500)
	for codec, want := range map[batch.Codec]batch.Codec{batch.Gzip: batch.Gzip, batch.LZ4: batch.LZ4, batch.Snappy: batch.Snappy, batch.Zstd: batch.None} {
		for version := range int16(3) {
			t.Run(fmt.Sprintf("%v v%d", codec, version), func(t *testing.T) {
				got := make(chan *asked, 1)
				sc := newScene(t, func(sc *scene) {
					sc.broker.produceMax = version
					sc.broker.auto = func(a *asked) { a.ok(); got <- a }
				})
				sc.put(sc.lanes(1, sc.topic("t", func(c *worker.Config) { c.Idempotent, c.Codec = false, codec }))[0], true, value)
				a := <-got
				values, packed := setValues(t, a.req.Topics[0].Partitions[0].Records)
				if packed != want || !slices.Equal(values, []string{value}) {
					t.Errorf("%v, %d values", packed, len(values))
				}
			})
		}
	}
}

// Many small messages may fit into a record batch and not into a message set that a
// broker would take: such a batch goes in halves, as if the broker had said so.
func TestTooLargeSetIsNotMade(t *testing.T) {
	sc := newScene(t, nil)
	l := sc.lanes(1, sc.topic("t", withoutIDs))[0]
	b := batch.New(time.Now())
	for range maxSetBytes/34 + 1 { // an empty message of magic 1 has 34 bytes
		b.Add(&batch.Message{})
	}
	r := &request{sender: sc.sender}
	a := &worker.Attempt{Lane: l, Batch: b}
	if answer, refused := r.unfit(a, 1); !refused || answer.Code != tooLarge || b.Size() > maxSetBytes/2 {
		t.Errorf("a batch of %d bytes: refused %v with %+v", b.Size(), refused, answer)
	}
	a.Batch = batch.New(time.Now())
	a.Batch.Add(&batch.Message{})
	if answer, refused := r.unfit(a, 1); refused {
		t.Errorf("a small batch is refused with %+v", answer)
	}
}
