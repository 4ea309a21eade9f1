package gateway

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/ekaf-go/ekaf"
)

// appendText writes a JSON string.
func appendText(out []byte, text string) []byte {
	quoted, err := json.Marshal(text)
	if err != nil { // strings always can be
		return append(out, `""`...)
	}
	return append(out, quoted...)
}

// line is the number that a message has for the client: its line, or its place.
func (x *exchange) line(i int) int {
	if i < len(x.lines) {
		return int(x.lines[i])
	}
	return i + 1
}

// refuseSome answers for messages of which some failed: with the status of the
// first that did, since a 2xx would claim too much; the body tells what became of
// each. toKafka: those that did not fail are acked.
func (x *exchange) refuseSome(toKafka bool) {
	d := &x.delivery
	first := statusOf(d.failed[0].err)
	if len(x.msgs) == 1 {
		first.failed = true
		x.refuse(first)
		return
	}
	if first.RetryAfter > 0 {
		x.retry = first.RetryAfter
		x.w.Header().Set("Retry-After", seconds(first.RetryAfter))
	}
	out := append(x.out[:0], `{"error":`...)
	out = appendText(out, fmt.Sprintf("%d of %d messages failed, the first with: %s", len(d.failed), len(x.msgs), first.Message))
	out = appendCount(out, toKafka, len(x.msgs)-len(d.failed))
	out = append(out, `,"lines":[`...)
	next, comma := 0, false
	for i := range x.msgs {
		bad := next < len(d.failed) && d.failed[next].index == i
		if !bad && !toKafka {
			continue
		}
		if comma {
			out = append(out, ',')
		}
		comma = true
		if bad {
			out = x.appendFailure(out, i, d.failed[next].err)
			next++
		} else {
			out = x.appendAck(out, i)
		}
	}
	x.out = append(out, "]}"...)
	x.send(first.Status, jsonType)
}

func appendCount(out []byte, toKafka bool, n int) []byte {
	if toKafka {
		out = append(out, `,"acked":`...)
	} else {
		out = append(out, `,"accepted":`...)
	}
	return strconv.AppendInt(out, int64(n), 10)
}

func (x *exchange) appendFailure(out []byte, i int, err error) []byte {
	f := statusOf(err)
	out = append(out, `{"line":`...)
	out = strconv.AppendInt(out, int64(x.line(i)), 10)
	out = append(out, `,"status":`...)
	out = strconv.AppendInt(out, int64(f.Status), 10)
	out = append(out, `,"error":`...)
	out = appendText(out, f.Message)
	out = append(out, `,"maybe_written":`...)
	out = strconv.AppendBool(out, f.MaybeWritten)
	return append(out, '}')
}

func (x *exchange) appendAck(out []byte, i int) []byte {
	out = append(out, `{"line":`...)
	out = strconv.AppendInt(out, int64(x.line(i)), 10)
	out = append(out, ',')
	out = appendPlace(out, x.delivery.ack(i))
	return append(out, '}')
}

// appendPlace writes where a message stands in Kafka.
func appendPlace(out []byte, ack ekaf.Ack) []byte {
	out = append(out, `"partition":`...)
	out = strconv.AppendInt(out, int64(ack.Partition), 10)
	out = append(out, `,"offset":`...)
	return strconv.AppendInt(out, ack.Offset, 10)
}

// bytesText is a number of bytes for people.
func bytesText(n int) string {
	if n%(1<<20) == 0 {
		return strconv.Itoa(n>>20) + " MiB"
	}
	return strconv.Itoa(n) + " bytes"
}
