package gateway

import (
	"net/http"
	"strconv"
	"unsafe"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/payload"
)

// maxMessages bounds the messages of one request. Their headers in memory are
// charged like bytes of the body.
const (
	maxMessages  = 100_000
	messageBytes = int(unsafe.Sizeof(ekaf.Message{}))
)

// errTooMany: the request has more messages than one may have.
var errTooMany = refusal(http.StatusRequestEntityTooLarge, "a request has at most %d messages", maxMessages)

// takeOne makes the whole body one message.
func (x *exchange) takeOne() { x.msgs = append(x.msgs[:0], ekaf.Message{Value: notNil(x.body)}) }

// notNil keeps an empty body apart from a tombstone.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// takeForm makes a form one JSON object, as kafboy did. What curl -d sends is
// called a form whatever it is: a JSON object or array goes as it is.
func (x *exchange) takeForm() *StatusError {
	if payload.IsJSON(x.body) {
		x.takeOne()
		return nil
	}
	object, err := payload.FormObject(x.packed[:0], x.body)
	if err != nil {
		return malformed(err)
	}
	x.packed = object
	x.msgs = append(x.msgs[:0], ekaf.Message{Value: object})
	return nil
}

// takeLines makes each line of the body a message, all with the key, partition,
// headers and time of the model, if there is one. Lines without anything are left out.
func (x *exchange) takeLines(model *ekaf.Message) *StatusError {
	var m ekaf.Message
	if model != nil {
		m = *model
	}
	x.msgs, x.lines = x.msgs[:0], x.lines[:0]
	for number, line := range payload.Lines(x.body) {
		if len(x.msgs) == maxMessages {
			return errTooMany
		}
		if f := x.room(); f != nil {
			return f
		}
		m.Value = line
		x.msgs = append(x.msgs, m)
		x.lines = append(x.lines, int32(number))
	}
	if len(x.msgs) == 0 {
		return refusal(http.StatusUnprocessableEntity, "the body has no line that is not empty")
	}
	return nil
}

// takeArray makes each element of a JSON array a message; a body that is no array is one.
func (x *exchange) takeArray() *StatusError {
	if !payload.IsArray(x.body) {
		x.takeOne()
		return nil
	}
	x.msgs, x.lines = x.msgs[:0], x.lines[:0]
	var f *StatusError
	err := payload.Elements(x.body, func(element []byte) bool {
		if len(x.msgs) == maxMessages {
			f = errTooMany
		} else {
			f = x.room()
		}
		x.msgs = append(x.msgs, ekaf.Message{Value: element})
		return f == nil
	})
	switch {
	case err != nil:
		return malformed(err)
	case f != nil:
		return f
	case len(x.msgs) == 0:
		return refusal(http.StatusUnprocessableEntity, "the array is empty")
	}
	return nil
}

// room charges the next doubling of the messages, beyond what is kept anyway.
func (x *exchange) room() *StatusError {
	if n := len(x.msgs); n == cap(x.msgs) && n >= keepMessages {
		if !x.h.bodies.take(int64(n * messageBytes)) {
			return errBodyMemory
		}
		x.charged += int64(n * messageBytes)
	}
	return nil
}

// malformed is a body that cannot be read, with the place of the fault.
func malformed(err error) *StatusError {
	return &StatusError{Status: http.StatusUnprocessableEntity, Message: err.Error()}
}

func appendBuffered(out []byte, b ekaf.Buffered) []byte {
	out = append(out, `,{"ok":true,"partition":`...)
	out = strconv.AppendInt(out, int64(b.Partition), 10)
	out = append(out, `,"worker":`...)
	out = strconv.AppendInt(out, int64(b.Worker), 10)
	out = append(out, `,"buffered":`...)
	out = strconv.AppendInt(out, int64(b.Messages), 10)
	return append(out, '}')
}
