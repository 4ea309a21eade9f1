package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"testing"
	"testing/iotest"
)

// FuzzFrames: of a stream of JSON values that are objects each is found, as
// encoding/json finds it; of any other input no more than it has, byte for byte;
// and the memory asked for is bounded and given back.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":"}"}{"b":"\"{"}`, " {}\n\n{\"a\":[{}]} ", `{]`, `[{}]`, `{"a":`, `{"a":"\\"}{}`, `1`, ``, `{"partition_id":1,"value":{"type":"BINARY","data":"AA=="}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, input []byte) {
		for _, from := range []io.Reader{bytes.NewReader(input), iotest.OneByteReader(bytes.NewReader(input))} {
			grown := 0
			fr := frames{from: from, limit: 1 << 10, begin: func(bool) {}, grow: func(n int) error {
				if grown += n; grown > 16<<10 {
					t.Fatalf("asked for %d bytes", grown)
				}
				return nil
			}}
			var got [][]byte
			var err error
			for err == nil {
				var object []byte
				if object, err = fr.next(); err == nil {
					got = append(got, bytes.Clone(object))
				}
			}
			if grown < cap(fr.buf) {
				t.Fatalf("has %d bytes, and asked for %d", cap(fr.buf), grown)
			}
			want, whole := jsonObjects(input)
			if len(got) < len(want) || !slices.EqualFunc(got[:len(want)], want, bytes.Equal) {
				if !errors.Is(err, errObjectTooLong) {
					t.Fatalf("found %q (%v), want %q", got, err, want)
				}
			}
			if whole && err != io.EOF && !errors.Is(err, errObjectTooLong) {
				t.Fatalf("ended with %v", err)
			}
			for _, object := range got {
				var r v3Record
				if decodeStrictly(object, http.StatusBadRequest, &r) == nil {
					if e := r.entry(); e.fault != nil && e.fault.Status < 400 {
						t.Fatalf("refused with %+v", e.fault)
					}
				}
			}
		}
	})
}

// jsonObjects are the objects that a stream begins with, and whether it is all
// of them.
func jsonObjects(input []byte) (objects [][]byte, whole bool) {
	d := json.NewDecoder(bytes.NewReader(input))
	for {
		var raw json.RawMessage
		if err := d.Decode(&raw); err != nil {
			return objects, err == io.EOF
		}
		if raw[0] != '{' {
			return objects, false
		}
		objects = append(objects, raw)
	}
}

// FuzzRestV2: a body becomes messages, or is refused with a status for clients.
func FuzzRestV2(f *testing.F) {
	f.Add([]byte(`{"records":[{"key":"AA==","value":null,"partition":1}]}`), true)
	f.Add([]byte(`{"records":[{"value":{"a":1}},{}],"key_schema":""}`), false)
	f.Add([]byte(`{"records":null}`), false)
	f.Fuzz(func(t *testing.T, body []byte, binary bool) {
		embedded := jsonFormat
		if binary {
			embedded = binaryFormat
		}
		x := &exchange{h: &Handler{}, body: body}
		x.h.bodies.limit = 1 << 20
		fault := x.v2Messages(embedded, nil)
		if fault != nil && (fault.Status < 400 || fault.Status >= 500) || fault == nil && len(x.msgs) == 0 {
			t.Fatalf("%d messages, refused with %+v", len(x.msgs), fault)
		}
	})
}

// FuzzRestV3Batch: a batch has entries with ids of their own, or is refused.
func FuzzRestV3Batch(f *testing.F) {
	f.Add([]byte(`{"entries":[{"id":"a"},{"id":"b","value":{"type":"STRING","data":"x"},"headers":[{"name":"n","value":"AA=="}]}]}`))
	f.Add([]byte(`{"entries":[]}`))
	f.Add([]byte(`{"entries":[{"id":1}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		entries, fault := v3Batch(body)
		if fault != nil {
			if fault.Status < 400 || fault.Status >= 500 {
				t.Fatalf("refused with %+v", fault)
			}
			return
		}
		ids := map[string]bool{}
		for _, e := range entries {
			ids[e.id] = true
		}
		if len(ids) != len(entries) || len(entries) == 0 || len(entries) > maxEntries {
			t.Fatalf("%d ids of %d entries", len(ids), len(entries))
		}
	})
}
