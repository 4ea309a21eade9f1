package load

import (
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what a run came to. The caller fills what the run does not know:
// where it produced to, and with which codec and acks.
type Result struct {
	Topic       string `json:"topic"`
	Embedded    bool   `json:"embedded"` // the broker is this process
	Partitions  int    `json:"partitions"`
	Size        int    `json:"size_bytes"`
	Verb        string `json:"verb"`
	Callers     int    `json:"callers"`
	PerCall     int    `json:"per_call"`
	Compression string `json:"compression"`
	Acks        string `json:"acks"`
	// Rate is the rate asked for, in messages a second; 0 is none.
	Rate float64 `json:"rate"`

	Acked      int64            `json:"acked"`
	Failed     int64            `json:"failed"`
	Errors     map[string]int64 `json:"errors"`
	Seconds    float64          `json:"seconds"`      // until the last ack
	CallTime   float64          `json:"call_seconds"` // until the last call returned
	PerSecond  float64          `json:"messages_per_second"`
	BytesPerS  float64          `json:"value_bytes_per_second"`
	CPUSeconds float64          `json:"cpu_seconds"` // of this process; 0 if the system does not tell
	Latency    Latencies        `json:"latency_ms"`
	Histogram  []Bucket         `json:"histogram"`
}

// Latencies are quantiles in milliseconds, over the messages acked.
type Latencies struct {
	Mean float64 `json:"mean"`
	Min  float64 `json:"min"`
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

// Bucket counts the messages that took at most so long, and longer than
// the bucket before.
type Bucket struct {
	AtMost float64 `json:"at_most_ms"`
	Count  int64   `json:"count"`
}

// Result ends the run, which ended with the last ack at that time. It is called
// when the producer has no message left.
func (d *Run) Result(ended time.Time) *Result {
	took, cpu := ended.Sub(d.began), processCPU()-d.cpu
	c := &d.config
	t := d.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	t.merge()
	if open := t.open(); open > 0 { // a promise of the producer was broken; it must not look like success
		t.failed += open
		t.errors["no_outcome"] += open
	}
	r := &Result{
		Size: c.Size, Verb: string(c.Verb), Callers: c.Callers, PerCall: c.PerCall, Rate: c.Rate,
		Acked: t.acked, Failed: t.failed, Errors: t.errors,
		Seconds: took.Seconds(), CallTime: t.calls.Seconds(), CPUSeconds: cpu.Seconds(),
		PerSecond: math.Round(float64(t.acked) / took.Seconds()), Histogram: t.buckets(),
	}
	r.BytesPerS = r.PerSecond * float64(c.Size)
	if h := t.latency; h.TotalCount() > 0 {
		at := func(percentile float64) float64 { return millis(h.ValueAtQuantile(percentile)) }
		r.Latency = Latencies{
			Mean: math.Round(h.Mean()) / 1000, Min: millis(h.Min()), P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: millis(h.Max()),
		}
	}
	return r
}

func millis(us int64) float64 { return float64(us) / 1000 }

// buckets counts latencies up to 1, 2 and 5 times each power of ten of
// microseconds, from the first that holds any to the last.
func (t *tally) buckets() []Bucket {
	var bounds []int64
	for power := int64(1); power <= 10*longestLatency.Microseconds(); power *= 10 {
		bounds = append(bounds, power, 2*power, 5*power)
	}
	counts := make([]int64, len(bounds))
	for _, bar := range t.latency.Distribution() {
		at, _ := slices.BinarySearch(bounds, bar.From)
		counts[at] += bar.Count
	}
	var buckets []Bucket
	for i, n := range counts {
		if n > 0 || len(buckets) > 0 {
			buckets = append(buckets, Bucket{millis(bounds[i]), n})
		}
	}
	for len(buckets) > 0 && buckets[len(buckets)-1].Count == 0 {
		buckets = buckets[:len(buckets)-1]
	}
	return buckets
}

// barWidth is the length of the longest bar of the histogram, in characters.
const barWidth = 40

// Print writes the result for people.
func (r *Result) Print(out io.Writer) {
	fmt.Fprintf(out, "\n%d acked, %d failed in %.3f s: %.0f messages/s, %.1f MiB/s\n", r.Acked, r.Failed, r.Seconds, r.PerSecond, r.BytesPerS/(1<<20))
	for _, reason := range slices.Sorted(maps.Keys(r.Errors)) {
		fmt.Fprintf(out, "  %s: %d\n", reason, r.Errors[reason])
	}
	if r.CPUSeconds > 0 && r.Acked > 0 {
		whose := "of this process"
		if r.Embedded {
			whose = "of this process, the embedded broker included"
		}
		fmt.Fprintf(out, "CPU %s: %.2f s, %.0f ns a message, with the clock and counts of this command\n",
			whose, r.CPUSeconds, r.CPUSeconds*1e9/float64(r.Acked))
	}
	if r.Acked == 0 {
		return
	}
	from := "from the call"
	if r.Rate > 0 {
		from = "from when each was due"
	}
	l := r.Latency
	fmt.Fprintf(out, "\nlatency %s to the ack, in ms:\n  p50 %.3f   p90 %.3f   p99 %.3f   p99.9 %.3f   max %.3f\n\n", from, l.P50, l.P90, l.P99, l.P999, l.Max)
	var most int64
	for _, b := range r.Histogram {
		most = max(most, b.Count)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	for _, b := range r.Histogram {
		bar := strings.Repeat("#", int(math.Ceil(float64(b.Count)/float64(most)*barWidth)))
		fmt.Fprintf(table, "≤ %v ms\t%.2f %%\t %s\n", b.AtMost, 100*float64(b.Count)/float64(r.Acked), bar)
	}
	_ = table.Flush() // the terminal is gone then, and nobody reads an error either
}
