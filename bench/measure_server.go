package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/httpload"
	"github.com/ekaf-go/ekaf/bench/load"
	"github.com/ekaf-go/ekaf/bench/usage"
)

const (
	manyRequests = 1 << 10 // different requests of one message
	fewRequests  = 8       // different requests of many
	profileTime  = 2       // seconds of a server's profile
	fills        = 3       // after so many times its bytes a buffer must be full
)

// asked is a server being asked.
type asked struct {
	job      Job
	row      load.Row
	address  string
	requests []httpload.Request
	broker   control
	behind   bool // the server hands messages to the broker
	claimed  int  // messages accepted so far
	sum      uint64
}

// measureServer asks a server what its row says. The server is another process.
func measureServer(ctx context.Context, job Job) (Sample, error) {
	s := Sample{Go: runtime.Version(), CPUs: max(job.Row.CPUs, 1), Machine: machine()}
	sv, ok := findServer(job.Client)
	if !ok {
		return s, fmt.Errorf("cannot measure %q: there is no such server", job.Client)
	}
	a := &asked{job: job, row: job.Row, behind: sv.kafka, requests: requests(job.Row, job.Topic)}
	a.address = strings.TrimPrefix(job.Server.URL, "http://")
	var err error
	if a.broker, err = dialControl(job.Control); err != nil {
		return s, err
	}
	defer a.broker.close()
	crowd, err := httpload.Gather(ctx, a.address, a.row.Goroutines)
	if err != nil {
		return s, err
	}
	defer crowd.Close()
	switch a.row.Measure {
	case load.Connected:
		err = a.connected(ctx, crowd, &s)
	case load.Away:
		err = a.away(ctx, crowd, &s)
	default:
		err = a.steady(ctx, crowd, &s)
	}
	s.Acked, s.Sum = a.claimed, a.sum
	return s, err
}

// requests are the requests of a row, all of one size and with other contents.
func requests(row load.Row, topic string) []httpload.Request {
	lines := max(row.Lines, 1)
	path, kind, end, n := "/async/"+topic, "application/json", "", manyRequests
	if lines > 1 {
		path, kind, end, n = "/v1/topics/"+topic, "application/x-ndjson", "\n", fewRequests
	}
	all := make([]httpload.Request, 0, n)
	for i := range n {
		r := httpload.Request{Messages: lines}
		var body []byte
		for line := range lines {
			event := event(i*lines+line, row.ValueBytes)
			r.Sum += broker.ValueSum(event)
			body = append(append(body, event...), end...)
		}
		r.Bytes = httpload.Format(path, kind, body)
		all = append(all, r)
	}
	return all
}

// event is a JSON object of exactly that many bytes, if they suffice.
func event(i, size int) []byte {
	const shape = `{"user":%06d,"event":"page_view","session":"%0*x"}`
	hex := max(1, size-len(fmt.Sprintf(shape, 0, 0, 0))+1)
	return fmt.Appendf(nil, shape, i%1_000_000, hex, uint64(i)*0x9E3779B97F4A7C15)
}

// ask has all connections ask so many messages, and adds what was claimed.
func (a *asked) ask(ctx context.Context, crowd *httpload.Crowd, o httpload.Order) (httpload.Tally, error) {
	o.Requests = a.requests
	t, err := crowd.Ask(ctx, o)
	a.claimed, a.sum = a.claimed+t.Messages, a.sum+t.Sum
	return t, err
}

// order asks for messages of which all are to be accepted.
func (a *asked) order(messages int) httpload.Order {
	o := httpload.Order{Count: messages / max(a.row.Lines, 1), Want: http.StatusOK}
	if a.behind && a.row.Lines > 1 {
		o.Want = http.StatusAccepted
	}
	return o
}

// settle waits until the broker has all that was accepted.
func (a *asked) settle(ctx context.Context) error {
	for a.behind {
		counted, err := a.broker.counters()
		if err != nil || counted.Records >= int64(a.claimed) {
			return err // more than accepted are found in the end
		}
		select {
		case <-time.After(2 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("cannot wait longer: the broker has %d records of %d: %w", counted.Records, a.claimed, ctx.Err())
		}
	}
	return nil
}

// steady warms the server up and measures it from there until the broker has
// all that was accepted.
func (a *asked) steady(ctx context.Context, crowd *httpload.Crowd, s *Sample) error {
	if _, err := a.ask(ctx, crowd, a.order(a.row.Warmup)); err != nil {
		return fmt.Errorf("cannot warm up: %w", err)
	}
	if err := a.settle(ctx); err != nil {
		return err
	}
	profiled := a.profile(ctx)
	before, err := readServer(ctx, a.job.Server)
	if err != nil {
		return err
	}
	own, _ := usage.Read()
	t, err := a.ask(ctx, crowd, a.order(a.row.Records))
	if err != nil {
		return err
	}
	s.rated(t)
	ownAfter, _ := usage.Read()
	s.Asking = float64(ownAfter-own) / float64(len(t.Times))
	answered, err := usage.Of(a.job.Server.PID)
	if err != nil {
		return err
	}
	s.Busy = float64(answered-before.cpu) / float64(t.Took)
	if err := a.settle(ctx); err != nil {
		return err
	}
	after, err := readServer(ctx, a.job.Server)
	if err != nil {
		return err
	}
	s.filled(before, after, a.row.Records)
	return <-profiled
}

// away measures what is accepted while Kafka is away, against the time before,
// and, when nothing more is, how fast that is said to a single client.
func (a *asked) away(ctx context.Context, crowd *httpload.Crowd, s *Sample) error {
	for _, n := range []int{a.row.Warmup, a.row.Records} {
		t, err := a.ask(ctx, crowd, a.order(n))
		if err != nil {
			return err
		}
		s.rated(t)
	}
	if err := a.settle(ctx); err != nil {
		return err
	}
	if _, err := a.broker.ask("away on"); err != nil {
		return err
	}
	err := a.outage(ctx, crowd, s)
	_, back := a.broker.ask("away off") // what was accepted arrives now
	return errors.Join(err, back)
}

// outage is the part of away without Kafka.
func (a *asked) outage(ctx context.Context, crowd *httpload.Crowd, s *Sample) error {
	room := a.order(a.row.Records)
	if a.behind {
		room = httpload.Order{Count: fills * a.row.Buffer / a.row.ValueBytes, Until: http.StatusServiceUnavailable}
	}
	t, err := a.ask(ctx, crowd, room)
	if err != nil {
		return err
	}
	s.AwayPerS = float64(t.OK) / t.Took.Seconds()
	// Partitions that have memory in hand take some more: these are filled too, as
	// far as messages fall to them.
	for slice := 1000; a.behind && t.OK > 0; {
		if t, err = a.ask(ctx, crowd, httpload.Order{Count: slice}); err != nil {
			return err
		}
	}
	return a.refusals(ctx, s)
}

// refusals measures how fast a single client is told that nothing more is accepted.
func (a *asked) refusals(ctx context.Context, s *Sample) error {
	one, err := httpload.Gather(ctx, a.address, 1)
	if err != nil {
		return err
	}
	defer one.Close()
	// A partition to which none of the messages before fell may have room still: then
	// these fill it, and are measured anew. Memory ends, and so does this.
	for {
		before, err := a.handlerTimes(ctx)
		if err != nil {
			return err
		}
		t, err := a.ask(ctx, one, httpload.Order{Count: max(1, a.row.Records/10)})
		if err != nil {
			return err
		}
		after, err := a.handlerTimes(ctx)
		if err != nil {
			return err
		}
		if a.behind && t.Refused < 9*t.OK {
			continue
		}
		s.Refused = t.Refused
		s.HandlerP99 = after.quantile(before, 0.99)
		s.timed(t.Times)
		return nil
	}
}

// connected measures the memory of a server whose connections all had an answer
// and are idle now.
func (a *asked) connected(ctx context.Context, crowd *httpload.Crowd, s *Sample) error {
	t, err := crowd.Once(ctx, a.requests[0], http.StatusOK)
	a.claimed, a.sum = t.Messages, t.Sum
	if err != nil {
		return err
	}
	if err := a.settle(ctx); err != nil {
		return err
	}
	select {
	case <-time.After(quiet):
	case <-ctx.Done():
		return ctx.Err()
	}
	s.Held, s.PeakRSS, err = usage.ResidentOf(a.job.Server.PID)
	return err
}

// rated takes how fast requests were answered.
func (s *Sample) rated(t httpload.Tally) {
	s.RecordsPerS = float64(t.Messages) / t.Took.Seconds()
	s.timed(t.Times)
}

func (s *Sample) timed(times []time.Duration) {
	slices.Sort(times)
	s.P50, s.P99, s.P999 = quantile(times, 0.5), quantile(times, 0.99), quantile(times, 0.999)
}

// filled takes what the server's meters say.
func (s *Sample) filled(before, after serverReading, records int) {
	n := float64(records)
	s.CPUPerRecord = float64(after.cpu-before.cpu) / n
	s.AllocsPerRecord = (after.figures["/gc/heap/allocs:objects"] - before.figures["/gc/heap/allocs:objects"] +
		after.figures["/gc/heap/tiny/allocs:objects"] - before.figures["/gc/heap/tiny/allocs:objects"]) / n
	s.BytesPerRecord = (after.figures["/gc/heap/allocs:bytes"] - before.figures["/gc/heap/allocs:bytes"]) / n
	s.GCs = int(after.figures["/gc/cycles/total:gc-cycles"] - before.figures["/gc/cycles/total:gc-cycles"])
}

// serverReading is the state of a server's meters.
type serverReading struct {
	cpu     time.Duration
	figures map[string]float64 // of its runtime/metrics
}

func readServer(ctx context.Context, at Served) (r serverReading, err error) {
	text, err := fetch(ctx, at.Debug+"metrics")
	if err != nil {
		return r, err
	}
	r.figures = map[string]float64{}
	for lines := bufio.NewScanner(strings.NewReader(string(text))); lines.Scan(); {
		name, number, _ := strings.Cut(lines.Text(), " ")
		if r.figures[name], err = strconv.ParseFloat(number, 64); err != nil {
			return r, fmt.Errorf("cannot read the server's figures: %w", err)
		}
	}
	r.cpu, err = usage.Of(at.PID)
	return r, err
}

// handlerTimes are how many requests the gateway's handler had answered within
// each time, as its /metrics say. Other servers have none.
func (a *asked) handlerTimes(ctx context.Context) (handlerTimes, error) {
	if !a.behind {
		return nil, nil
	}
	text, err := fetch(ctx, a.job.Server.URL+"/metrics")
	if err != nil {
		return nil, err
	}
	return readHandlerTimes(string(text))
}

type handlerTimes []struct {
	within time.Duration
	count  float64 // of all that took no longer
}

// readHandlerTimes reads the histogram of POST /async out of Prometheus's text.
func readHandlerTimes(text string) (times handlerTimes, err error) {
	const bucket = `ekaf_gateway_request_seconds_bucket{method="POST",route="/async/{topic}",le="`
	for line := range strings.Lines(text) {
		rest, found := strings.CutPrefix(line, bucket)
		if !found {
			continue
		}
		bound, number, _ := strings.Cut(rest, `"} `)
		seconds, bad := strconv.ParseFloat(bound, 64)
		count, worse := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if bad != nil || worse != nil {
			return nil, fmt.Errorf("cannot read the gateway's figures: %q", line)
		}
		within := time.Duration(math.MaxInt64)
		if !math.IsInf(seconds, 1) {
			within = time.Duration(math.Round(seconds * 1e9))
		}
		times = append(times, struct {
			within time.Duration
			count  float64
		}{within, count})
	}
	if len(times) == 0 {
		return nil, errors.New("cannot read the gateway's figures: they tell no times of POST /async")
	}
	return times, nil
}

// quantile is the time within which that part of the requests since before was
// answered, as far as the buckets tell; 0 without any.
func (t handlerTimes) quantile(before handlerTimes, q float64) time.Duration {
	since := func(i int) float64 {
		if i < len(before) {
			return t[i].count - before[i].count
		}
		return t[i].count
	}
	for i := range t {
		if since(i) >= q*since(len(t)-1) {
			return t[i].within
		}
	}
	return 0
}

func fetch(ctx context.Context, url string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the server for %s: %w", url, err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("cannot ask the server: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode != http.StatusOK {
		err = errors.New(answer.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", url, err)
	}
	return text, nil
}

// profile writes a profile of the server's next seconds, if a file is named.
func (a *asked) profile(ctx context.Context) <-chan error {
	done := make(chan error, 1)
	if a.job.Profile == "" {
		done <- nil
		return done
	}
	go func() {
		text, err := fetch(ctx, fmt.Sprintf("%spprof/profile?seconds=%d", a.job.Server.Debug, profileTime))
		if err == nil {
			err = os.WriteFile(a.job.Profile, text, 0o644)
		}
		done <- err
	}()
	return done
}
