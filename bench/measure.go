package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/ekaf-go/ekaf/bench/clients"
	"github.com/ekaf-go/ekaf/bench/load"
	"github.com/ekaf-go/ekaf/bench/usage"
)

// Job is what a measuring process reads from its standard input.
type Job struct {
	Client  string
	Row     load.Row
	Broker  string
	Control string // the counting broker's control port, or empty
	Topic   string
	Timeout time.Duration
	Profile string // file for a CPU profile of the measured part, or empty
	Server  Served // which is asked, where the row is for one
}

// Sample is one client doing one row once: what a measuring process prints,
// completed by the harness.
type Sample struct {
	Client string   `json:"client"`
	Row    load.Row `json:"row"`
	Round  int      `json:"round"`
	Time   string   `json:"time"` // UTC, when it ended
	Go     string   `json:"go"`
	CPUs   int      `json:"cpus"` // which the process could use
	// Machine is the system, its processor and the number of its CPUs.
	Machine string `json:"machine,omitempty"`

	Acked int    `json:"acked"` // warm-up included
	Sum   uint64 `json:"sum"`   // of the values sent, as the broker sums them

	CPUPerRecord    float64 `json:"cpu_ns_per_record"` // user and system, of the whole process
	RecordsPerS     float64 `json:"records_per_s"`
	CallsPerS       float64 `json:"calls_per_s,omitempty"` // records, by the time at which the last call returned
	AllocsPerRecord float64 `json:"allocs_per_record"`
	BytesPerRecord  float64 `json:"bytes_per_record"` // allocated
	GCs             int     `json:"gcs"`
	PeakRSS         int64   `json:"peak_rss_bytes"`

	P50  time.Duration `json:"p50_ns,omitempty"`
	P99  time.Duration `json:"p99_ns,omitempty"`
	P999 time.Duration `json:"p999_ns,omitempty"`
	// First is the time from the constructor's call to the first ack.
	First time.Duration `json:"first_ack_ns,omitempty"`
	// Trips is First in round trips, where the broker answers all requests so
	// late that nothing else counts.
	Trips float64 `json:"round_trips,omitempty"`

	// Held is the memory which a client with nothing to do holds: the growth
	// of the resident set; HeldHeap that of Go's heap and stacks after a
	// collection.
	Held     int64 `json:"held_bytes,omitempty"`
	HeldHeap int64 `json:"held_heap_bytes,omitempty"`

	// The following are of servers, whose CPU, allocations and memory stand above.
	// Busy is the part of one CPU that it used while it was asked.
	Busy float64 `json:"busy,omitempty"`
	// Asking is the CPU that the asking process used for each request.
	Asking float64 `json:"asking_cpu_ns_per_request,omitempty"`
	// AwayPerS are the requests/s that were accepted while Kafka was away and
	// there was room, against RecordsPerS before.
	AwayPerS float64 `json:"away_per_s,omitempty"`
	Refused  int     `json:"refused,omitempty"` // requests, when there was no room
	// HandlerP99 is the server's own word on the requests when there was no room:
	// the upper bound of its histogram's bucket.
	HandlerP99 time.Duration `json:"handler_p99_ns,omitempty"`

	// The following are the broker's, over warm-up and measured records.
	BatchRecords float64 `json:"records_per_batch,omitempty"`
	Requests     float64 `json:"records_per_request,omitempty"`
	WireBytes    float64 `json:"wire_bytes_per_record,omitempty"` // of batches, headers included
	Exchanges    int64   `json:"requests,omitempty"`              // of any kind, until the first ack
	BrokerCPU    float64 `json:"broker_cpu_ns_per_record,omitempty"`
	// Repeated are batches that came again with the producer id and the sequence of
	// one of the last five, which a Kafka broker answers as it did and drops. A client
	// may send them whose connection broke before the answer came; where the bench
	// breaks none, they void the cell.
	Repeated int64 `json:"repeated_batches,omitempty"`

	NotOffered bool   `json:"not_offered,omitempty"`
	Void       string `json:"void,omitempty"` // why it does not count
}

// measureMain is the measuring process: a Job comes in, a Sample goes out.
func measureMain(ctx context.Context, in io.Reader, out io.Writer) error {
	var job Job
	if err := json.NewDecoder(in).Decode(&job); err != nil {
		return fmt.Errorf("cannot read the job: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, job.Timeout)
	defer cancel()
	s, err := measure(ctx, job)
	if errors.Is(err, clients.ErrNotOffered) {
		s, err = Sample{NotOffered: true}, nil
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(s)
}

func measure(ctx context.Context, job Job) (Sample, error) {
	if job.Row.HTTP() {
		return measureServer(ctx, job)
	}
	entry, ok := clients.Find(job.Client)
	if !ok {
		return Sample{}, fmt.Errorf("cannot measure %q: there is no such client", job.Client)
	}
	l := load.New(job.Row, job.Broker, job.Topic)
	s := Sample{Go: runtime.Version(), CPUs: runtime.GOMAXPROCS(0), Machine: machine()}
	run := measureSteady
	switch job.Row.Measure {
	case load.FirstAck:
		run = measureFirst
	case load.Idle:
		run = measureIdle
	case load.Downtime:
		run = measureDowntime
	case load.Rates:
		run = measureRates
	}
	cl, err := run(ctx, job, l, entry.New, &s)
	if err != nil {
		return s, err
	}
	if err := cl.Close(); err != nil {
		return s, fmt.Errorf("cannot close the client: %w", err)
	}
	s.Acked, s.Sum = l.Acked(), l.Sum(l.Total())
	return s, nil
}

// measureFirst measures from the constructor's call to the first ack.
func measureFirst(ctx context.Context, job Job, l *load.Load, make clients.Factory, s *Sample) (clients.Client, error) {
	l.Expect(1)
	began := time.Now()
	cl, err := make(ctx, l)
	if err != nil {
		return nil, err
	}
	err = cl.Sync(ctx, 0)
	s.First = time.Since(began)
	if job.Row.DelayAll {
		s.Trips = float64(s.First / job.Row.Delay)
	}
	return cl, err
}

// measureSteady warms the client up and measures it from there to the last ack.
func measureSteady(ctx context.Context, job Job, l *load.Load, make clients.Factory, s *Sample) (clients.Client, error) {
	part := throughput
	if l.Row.Measure == load.Latency {
		part = latency
	}
	cl, err := warm(ctx, l, make, part)
	if err != nil {
		return nil, err
	}
	stop, err := profile(job.Profile)
	if err != nil {
		return nil, err
	}
	defer stop()
	before := read()
	times, err := part(ctx, l, cl, l.Warmup, l.Total())
	if err != nil {
		return nil, err
	}
	s.fill(before, read(), l.Records)
	if len(times) > 0 {
		slices.Sort(times)
		s.P50, s.P99, s.P999 = quantile(times, 0.5), quantile(times, 0.99), quantile(times, 0.999)
	}
	return cl, nil
}

// way is how records are given to a client and waited for.
type way func(ctx context.Context, l *load.Load, cl clients.Client, from, to int) ([]time.Duration, error)

// warm makes a client and has it produce what comes before the measured part,
// in that part's own way. It leaves no garbage.
func warm(ctx context.Context, l *load.Load, make clients.Factory, part way) (clients.Client, error) {
	cl, err := make(ctx, l)
	if err != nil {
		return nil, err
	}
	if l.Warmup > 0 {
		l.Expect(l.Warmup)
		if _, err := part(ctx, l, cl, 0, l.Warmup); err != nil {
			return nil, fmt.Errorf("cannot warm up: %w", err)
		}
	}
	l.Expect(l.Total())
	runtime.GC()
	return cl, nil
}

// profile writes a CPU profile until stop is called, if a file is named.
func profile(file string) (stop func(), err error) {
	if file == "" {
		return func() {}, nil
	}
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("cannot write a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot write a profile: %w", err)
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}

// throughput produces records from to to-1 and waits for their acks.
func throughput(ctx context.Context, l *load.Load, cl clients.Client, from, to int) ([]time.Duration, error) {
	if err := hand(ctx, l, cl, from, to); err != nil {
		return nil, err
	}
	return nil, settle(ctx, l, cl)
}

// hand gives records to the client and does not wait for them.
func hand(ctx context.Context, l *load.Load, cl clients.Client, from, to int) error {
	err := share(l.Goroutines, from, to, func(_, from, to int) error { return cl.Produce(ctx, from, to) })
	if err != nil {
		return fmt.Errorf("cannot produce: %w", err)
	}
	return nil
}

// settle waits for the outcomes of all that was handed over.
func settle(ctx context.Context, l *load.Load, cl clients.Client) error {
	if err := cl.Flush(ctx); err != nil {
		return fmt.Errorf("cannot flush: %w", err)
	}
	return l.Wait(ctx)
}

// latency has callers which each wait for an ack before the next record. The
// memory for the times is there before the first call.
func latency(ctx context.Context, l *load.Load, cl clients.Client, from, to int) ([]time.Duration, error) {
	times := make([]time.Duration, to-from)
	err := share(l.Goroutines, from, to, func(_, begin, end int) error {
		for i := begin; i < end; i++ {
			t := time.Now()
			if err := cl.Sync(ctx, i); err != nil {
				return err
			}
			times[i-from] = time.Since(t)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("cannot produce: %w", err)
	}
	return times, l.Wait(ctx)
}

// share runs do on n goroutines with a part of the range each.
func share(n, from, to int, do func(worker, from, to int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	for w := range n {
		wg.Go(func() { errs[w] = do(w, from+(to-from)*w/n, from+(to-from)*(w+1)/n) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// reading is the state of the process's meters.
type reading struct {
	at     time.Time
	cpu    time.Duration
	memory runtime.MemStats
}

func read() (r reading) {
	runtime.ReadMemStats(&r.memory)
	r.cpu, _ = usage.Read()
	r.at = time.Now()
	return r
}

func (s *Sample) fill(before, after reading, records int) {
	n := float64(records)
	s.CPUPerRecord = float64(after.cpu-before.cpu) / n
	s.RecordsPerS = n / after.at.Sub(before.at).Seconds()
	s.AllocsPerRecord = float64(after.memory.Mallocs-before.memory.Mallocs) / n
	s.BytesPerRecord = float64(after.memory.TotalAlloc-before.memory.TotalAlloc) / n
	s.GCs = int(after.memory.NumGC - before.memory.NumGC)
	_, s.PeakRSS = usage.Read()
}

// quantile of times, which are sorted and not empty.
func quantile(times []time.Duration, q float64) time.Duration {
	return times[min(int(q*float64(len(times))), len(times)-1)]
}
