package dashboard

import (
	"math"
	"strconv"
	"time"

	"github.com/ekaf-go/ekaf"
)

// columns name the numbers of a row, in order. Rates are those of one second,
// since the row before; latencies are in milliseconds.
var columns = []string{
	"time", "accepted", "acked", "bytes", "failed", "refused", "retries",
	"p50", "p99", "buffered", "waiting", "in_flight", "brokers_up", "brokers_down", "topics_down",
}

// row is a sample.
type row [15]float64

// Indexes of a row.
const (
	colTime = iota
	colAccepted
	colAcked
	colBytes
	colFailed
	colRefused
	colRetries
	colP50
	colP99
	colBuffered
	colWaiting
	colInFlight
	colUp
	colDown
	colTopicsDown
)

// latencyWindow is over how many samples the percentiles are taken: those of a
// single second jump about where few messages are sent.
const latencyWindow = 10

// history is the samples of the last quarter of an hour: a ring that is allocated
// once. The board's lock guards it.
type history struct {
	rows []row
	next int // where the next row goes
	n    int // rows that are filled

	last     reading
	delivery [latencyWindow]ekaf.Histogram // those of the last samples, by count
	count    int
}

// reading is the counters of which rows tell the differences.
type reading struct {
	at                             time.Time
	acked, bytes, refused, retries int64
	dropped, waiting               int64
}

func newHistory(size int) *history { return &history{rows: make([]row, size)} }

// add makes a row of a snapshot.
func (h *history) add(at time.Time, s *ekaf.Stats) {
	now := reading{
		at: at, acked: s.Acked, bytes: s.Bytes, dropped: total(s.Dropped), refused: total(s.Refused),
		retries: s.Retries, waiting: int64(s.Buffered),
	}
	r := &h.rows[h.next]
	*r = row{}
	h.next = (h.next + 1) % len(h.rows)
	h.n = min(h.n+1, len(h.rows))
	if passed := at.Sub(h.last.at).Seconds(); h.count > 0 && passed > 0 {
		rate := func(now, before int64) float64 { return float64(max(now-before, 0)) / passed }
		r[colAcked] = rate(now.acked, h.last.acked)
		r[colBytes] = rate(now.bytes, h.last.bytes)
		r[colFailed] = rate(now.dropped, h.last.dropped)
		r[colRefused] = rate(now.refused, h.last.refused)
		r[colRetries] = rate(now.retries, h.last.retries)
		// What was accepted is what had an outcome since, or waits for it now.
		r[colAccepted] = rate(now.acked+now.dropped+now.waiting, h.last.acked+h.last.dropped+h.last.waiting)
	}
	r[colTime] = float64(at.UnixMilli())
	r[colP50], r[colP99] = h.percentiles(s.Latency.Delivery)
	r[colBuffered], r[colWaiting], r[colInFlight] = float64(s.BufferedBytes), float64(s.Buffered), float64(s.InFlight)
	for _, b := range brokersOf(s) {
		switch b.State {
		case brokerUp:
			r[colUp]++
		case brokerDown:
			r[colDown]++
		}
	}
	for _, t := range s.Topics {
		if t.State == topicDowntime {
			r[colTopicsDown]++
		}
	}
	h.last = now
}

// percentiles are those of the messages acked in the window; NaN if none was.
func (h *history) percentiles(now ekaf.Histogram) (p50, p99 float64) {
	oldest := ekaf.Histogram{}
	if h.count > 0 {
		oldest = h.delivery[max(h.count-latencyWindow, 0)%latencyWindow]
	} else {
		oldest = now // what was before the first sample is not ours to tell
	}
	h.delivery[h.count%latencyWindow] = now
	h.count++
	since := now.Since(oldest)
	if since.Count() <= 0 {
		return math.NaN(), math.NaN()
	}
	return milliseconds(since.Quantile(0.5)), milliseconds(since.Quantile(0.99))
}

// appendRows writes all rows, the oldest first, as JSON.
func (h *history) appendRows(out []byte) []byte {
	out = append(out, '[')
	for i := range h.n {
		if i > 0 {
			out = append(out, ',')
		}
		out = h.rows[(h.next-h.n+i+len(h.rows))%len(h.rows)].append(out)
	}
	return append(out, ']')
}

// appendLast writes the latest row.
func (h *history) appendLast(out []byte) []byte {
	return h.rows[(h.next-1+len(h.rows))%len(h.rows)].append(out)
}

func (r *row) append(out []byte) []byte {
	out = append(out, '[')
	for i, v := range r {
		if i > 0 {
			out = append(out, ',')
		}
		if math.IsNaN(v) {
			out = append(out, "null"...)
			continue
		}
		out = strconv.AppendFloat(out, math.Round(v*1000)/1000, 'f', -1, 64)
	}
	return append(out, ']')
}

func total(counts map[string]int64) (n int64) {
	for _, c := range counts {
		n += c
	}
	return n
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
