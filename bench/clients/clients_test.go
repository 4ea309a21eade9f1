package clients

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// listen starts a verifying broker on loopback which ends with the test.
func listen(t testing.TB, partitions int) (*broker.Broker, string) {
	t.Helper()
	b, err := broker.New(broker.Config{Topics: map[string]int{"t": partitions}, Verify: true})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() {
		if err := b.Serve(l); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { b.Close(); served.Wait() })
	return b, l.Addr().String()
}

func row() load.Row {
	return load.Row{
		Measure: load.Throughput, ValueBytes: 100, Partitions: 4, Placement: load.Unkeyed, Call: load.Callback,
		Codec: "none", Goroutines: 1, Records: 3000, Linger: time.Millisecond, Buffer: 8 << 20,
	}
}

// produce runs a row with one client and holds what it says was acked against
// what the broker decoded.
func produce(t *testing.T, e Entry, r load.Row) {
	t.Helper()
	b, addr := listen(t, r.Partitions)
	l := load.New(r, addr, "t")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cl, err := e.New(ctx, l)
	if errors.Is(err, ErrNotOffered) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Expect(r.Records)
	var wg sync.WaitGroup
	for g := range r.Goroutines {
		wg.Go(func() {
			from, to := r.Records*g/r.Goroutines, r.Records*(g+1)/r.Goroutines
			if r.Measure == load.Throughput {
				if err := cl.Produce(ctx, from, to); err != nil {
					t.Error(err)
				}
				return
			}
			for i := from; i < to; i++ {
				if err := cl.Sync(ctx, i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := cl.Flush(ctx); err != nil {
		t.Error(err)
	}
	if err := l.Wait(ctx); err != nil {
		t.Error(err)
	}
	if err := cl.Close(); err != nil {
		t.Error(err)
	}
	got := b.Counters()
	if got.VerifiedRecords != int64(r.Records) || got.ValueSum != l.Sum(r.Records) || got.Faults() != 0 || l.Acked() != r.Records {
		t.Errorf("%d acked of %d, the broker counted %+v", l.Acked(), r.Records, got)
	}
	if keys := got.KeyBytes; (r.Placement == load.Keyed) != (keys > 0) {
		t.Errorf("placed %s, the broker got %d bytes of keys", r.Placement, keys)
	}
}

func TestEachClientDoesEachRow(t *testing.T) {
	rows := map[string]load.Row{}
	for _, placement := range []string{load.Unkeyed, load.Explicit, load.Keyed} {
		for _, call := range []string{load.Callback, load.Batch} {
			r := row()
			r.Placement, r.Call = placement, call
			rows[placement+" "+call] = r
		}
	}
	for _, call := range []string{load.Closure, load.Func} {
		r := row()
		r.Call = call
		rows[call] = r
	}
	wide := row() // a request's share of each partition is a record or two
	wide.Placement, wide.Partitions, wide.Records = load.Explicit, 4000, 20_000
	rows["wide"] = wide
	r := row()
	r.Goroutines = 4
	rows["goroutines"] = r
	r.Measure, r.Records = load.Latency, 80
	rows["callers"] = r
	r.Goroutines = 1
	rows["a caller"] = r
	for _, codec := range []string{"gzip", "snappy", "lz4", "zstd"} {
		r := row()
		r.Codec = codec
		rows[codec] = r
	}
	for _, e := range All() {
		for name, r := range rows {
			t.Run(e.Name+" "+name, func(t *testing.T) { produce(t, e, r) })
		}
	}
}

func TestTheLoopLeavesNothingRunning(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("loop", func(t *testing.T) {
		e, _ := Find("limit-locks")
		r := row()
		r.Records, r.ValueBytes, r.Goroutines = 20_000, 300, 4 // more than a dozen requests
		produce(t, e, r)
	})
}

func TestTheLoopReportsWhatTheBrokerRefuses(t *testing.T) {
	for _, name := range []string{"limit", "limit-locks"} {
		_, addr := listen(t, 1)
		l := load.New(row(), addr, "t") // it believes in 4 partitions, there is 1
		e, _ := Find(name)
		cl, err := e.New(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		l.Placement = load.Explicit
		l.Expect(4)
		if err := errors.Join(cl.Produce(t.Context(), 0, 4), cl.Flush(t.Context())); err != nil {
			t.Fatal(err)
		}
		if err := l.Wait(t.Context()); err == nil {
			t.Errorf("%s: a refused batch counts as acked", name)
		}
		if err := cl.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTheLoopReportsALostConnection(t *testing.T) {
	b, addr := listen(t, 4)
	l := load.New(row(), addr, "t")
	cl, err := newLimit(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	l.Expect(1)
	b.Close()
	// The write may still succeed; then it is the answer that fails.
	if err := errors.Join(cl.Produce(t.Context(), 0, 1), cl.Flush(t.Context()), l.Wait(t.Context())); err == nil {
		t.Error("a record counts as acked although the broker was gone")
	}
	cl.Close()
}

func TestUnknownClients(t *testing.T) {
	if e, ok := Find("nobody"); ok {
		t.Errorf("found %+v", e)
	}
}

// The values are those of the Java client's own test.
func TestMurmur2(t *testing.T) {
	for key, want := range map[string]int32{
		"21": -973932308, "foobar": -790332482, "a-little-bit-long-string": -985981536,
		"a-little-bit-longer-string":                       -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971, "abc": 479470107,
	} {
		if got := int32(murmur2([]byte(key))); got != want {
			t.Errorf("murmur2(%q) is %d, want %d", key, got, want)
		}
	}
}

func TestVarintSize(t *testing.T) {
	for v, want := range map[int64]int{0: 1, -1: 1, 63: 1, 64: 2, -64: 1, -65: 2, 8191: 2, 8192: 3, 1 << 40: 6} {
		if got := varintSize(v); got != want {
			t.Errorf("%d takes %d bytes, want %d", v, got, want)
		}
	}
}

func FuzzAnswerError(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 0})
	f.Add(append([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1}, make([]byte, 34)...))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, in []byte) {
		if err := answerError(in); err == nil && len(in) < 14 {
			t.Errorf("%x is taken for an answer without error", in)
		}
	})
}
