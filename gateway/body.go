package gateway

import (
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// bodyMemory bounds the bytes of all bodies at once. Small bodies are not
// counted: they fit into what an exchange keeps anyway.
type bodyMemory struct {
	limit int64
	used  atomic.Int64
	full  atomic.Int64 // how often there was no room
}

// smallBody is what is read without a look at the account.
const smallBody = 16 << 10

// take charges what a request cannot go on without.
func (m *bodyMemory) take(n int64) bool {
	if m.try(n) {
		return true
	}
	m.full.Add(1)
	return false
}

func (m *bodyMemory) try(n int64) bool {
	if m.used.Add(n) <= m.limit {
		return true
	}
	m.used.Add(-n)
	return false
}

func (m *bodyMemory) give(n int64) {
	if n != 0 {
		m.used.Add(-n)
	}
}

// errBodyMemory: all bodies together are too large.
var errBodyMemory = &StatusError{Status: http.StatusServiceUnavailable, RetryAfter: retryAfter, Message: "too many large requests at once: try again later"}

// errTooLarge: one reader gave more than it may.
var errTooLarge = errors.New("more bytes than allowed")

// readBody reads the request's body to its end, and unpacks it. Nothing is
// produced before that: a client that hangs up while it sends produces nothing.
func (x *exchange) readBody() *StatusError {
	packed := coding(x.r.Header["Content-Encoding"])
	to := &x.body
	if packed != "" {
		to = &x.packed
	}
	if x.r.ContentLength > int64(x.h.settings.maxBody) {
		return x.tooLarge()
	}
	x.settle(to)
	// Room for the length that was announced, but not on its word alone: a buffer
	// beyond the small grows with what arrives.
	if n := int(min(x.r.ContentLength, smallBody)) + 1; cap(*to) < n {
		*to = make([]byte, 0, max(n, 512))
	}
	if err := x.fill(to, x.r.Body); err != nil {
		return x.unreadable(err)
	}
	if packed != "" {
		return x.unpack(packed)
	}
	return nil
}

// coding is what a body is packed with, on any of the lines that say so; "" if it is
// as it is.
func coding(lines []string) (name string) {
	for _, line := range lines {
		for one := range strings.SplitSeq(line, ",") {
			if one = strings.TrimSpace(one); one == "" || strings.EqualFold(one, "identity") {
				continue
			}
			if name != "" {
				return "more than one" // which is none that is taken
			}
			name = strings.ToLower(one)
		}
	}
	return name
}

// settle charges a buffer that came large from an earlier request, or lets it go.
func (x *exchange) settle(buf *[]byte) {
	n := int64(cap(*buf) - smallBody)
	if n <= 0 {
		return
	}
	if !x.h.bodies.try(n) {
		*buf = nil
		return
	}
	x.charged += n
}

// fill reads to the end.
func (x *exchange) fill(to *[]byte, from io.Reader) error {
	buf := (*to)[:0]
	defer func() { *to = buf }()
	limit := x.h.settings.maxBody
	for {
		if len(buf) == cap(buf) {
			grow := max(len(buf), 512)
			if cap(buf)+grow > smallBody {
				if !x.h.bodies.take(int64(grow)) {
					return errBodyMemory
				}
				x.charged += int64(grow)
			}
			buf = slices.Grow(buf, grow)
		}
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > limit {
			return errTooLarge
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (x *exchange) tooLarge() *StatusError {
	return &StatusError{
		Status: http.StatusRequestEntityTooLarge, Message: "the body is larger than " + bytesText(x.h.settings.maxBody),
		Header: http.Header{"Connection": {"close"}}, // the rest of it is not worth reading
	}
}

// unreadable says what ended the reading.
func (x *exchange) unreadable(err error) *StatusError {
	if own, ok := errors.AsType[*StatusError](err); ok {
		return own
	}
	if _, ok := errors.AsType[*http.MaxBytesError](err); ok || errors.Is(err, errTooLarge) {
		return x.tooLarge()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return refusal(http.StatusRequestTimeout, "the body did not arrive in time; nothing was produced")
	}
	return refusal(http.StatusBadRequest, "the body ended too early; nothing was produced")
}
