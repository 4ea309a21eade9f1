package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// v3StreamEntry makes an entry of an object of a request for records.
func v3StreamEntry(object []byte) v3Entry {
	var record v3Record
	if f := decodeStrictly(object, http.StatusBadRequest, &record, "key", "value"); f != nil {
		return v3Entry{fault: f}
	}
	if record.ID != nil {
		return v3Entry{fault: refusal(http.StatusBadRequest, "Unrecognized field: id")}
	}
	return record.entry()
}

// malformedStream is what the client is told where records cannot be read on.
func malformedStream(err error, maxBody int) *StatusError {
	switch {
	case errors.Is(err, errObjectTooLong):
		return refusal(http.StatusBadRequest, "Bad Request: Error processing message: the record is larger than %s", bytesText(maxBody))
	case errors.Is(err, errNotObject):
		return refusal(http.StatusBadRequest, "Bad Request: Error processing message: %v", err)
	}
	return refusal(http.StatusBadRequest, "Bad Request: Error processing message: the body ended in the midst of a record, which was not produced")
}

// serveV3Whole serves records that came with an Idempotency-Key: their body is read
// to its end, and they have one answer, which can be remembered. A stream has none.
func (x *exchange) serveV3Whole() {
	if x.r.ContentLength < 0 {
		x.refuse(refusal(http.StatusUnprocessableEntity, "Idempotency-Key goes with a body of known length (Content-Length): a stream has no answer that could be given again"))
		return
	}
	f := x.restBody()
	var entries []v3Entry
	if f == nil {
		entries, f = x.v3Entries()
	}
	if f == nil && len(entries) == 0 {
		f = errNoRecord
	}
	if f != nil {
		x.refuse(f)
		return
	}
	x.produceEntries(entries)
	x.out = x.out[:0]
	for i := range entries {
		x.out = append(x.appendV3Answer(x.out, &entries[i]), '\r', '\n')
	}
	x.send(http.StatusOK, v3Type)
}

// v3Entries takes the body apart. What cannot be read on is the last entry's fault,
// as it is in a stream.
func (x *exchange) v3Entries() (entries []v3Entry, f *StatusError) {
	objects := frames{
		from: bytes.NewReader(x.body), limit: x.h.settings.maxBody, begin: func(bool) {},
		grow: func(n int) error {
			if f := x.charge(max(n, 0)); f != nil {
				return f
			}
			return nil
		},
	}
	for len(entries) <= maxMessages {
		object, err := objects.next()
		if err == io.EOF {
			return entries, nil
		}
		if own, is := errors.AsType[*StatusError](err); is {
			return nil, own
		}
		if err != nil {
			return append(entries, v3Entry{fault: malformedStream(err, x.h.settings.maxBody)}), nil
		}
		if f := x.charge(entryBytes); f != nil {
			return nil, f
		}
		entries = append(entries, v3StreamEntry(object))
	}
	return nil, errTooMany
}
