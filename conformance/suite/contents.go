package suite

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/ekaf-go/ekaf"
	"github.com/twmb/franz-go/pkg/kgo"
)

// contents: keys and values arrive byte for byte, and null stays apart from empty.
func contents(t *Trial) {
	binary := make([]byte, 256)
	for i := range binary {
		binary[i] = byte(i)
	}
	cases := []struct {
		name string
		m    ekaf.Message
	}{
		{"value alone", ekaf.Value("v")},
		{"key and value", ekaf.KeyValue("k", "v")},
		{"tombstone", ekaf.Tombstone("k")},
		{"nothing", ekaf.Message{}},
		{"empty key", ekaf.KeyValue("", "v")},
		{"empty value", ekaf.KeyValue("k", "")},
		{"binary", ekaf.KeyValue(binary, binary)},
		{"text", ekaf.KeyValue("ключ", "值 🙂")},
		{"JSON", ekaf.Value(`{"a":[1,2,3]}`)},
		{"long key", ekaf.KeyValue(bytes.Repeat([]byte("k"), 40_000), "v")},
	}
	topic := t.topic(1, nil)
	p := t.producer()
	for _, c := range cases {
		if _, err := p.ProduceSync(t.ctx, topic, c.m); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
	}
	got := t.read(topic)
	if len(got) != len(cases) {
		t.Fatalf("the topic holds %d records, want %d", len(got), len(cases))
	}
	for i, c := range cases {
		if !same(got[i].Key, c.m.Key) || !same(got[i].Value, c.m.Value) {
			t.Errorf("%s: got key %#v value %#v", c.name, got[i].Key, got[i].Value)
		}
	}
}

// same compares bytes and tells nil from empty.
func same(got, want []byte) bool {
	return bytes.Equal(got, want) && (got == nil) == (want == nil)
}

// headers arrive in order, with repeated keys, and null apart from empty.
func headers(t *Trial) {
	sent := []ekaf.Header{
		{Key: "trace", Value: []byte("1")}, {Key: "trace", Value: []byte("2")},
		{Key: "empty", Value: []byte{}}, {Key: "null"}, {Key: "", Value: []byte("no name")},
		{Key: "binary", Value: []byte{0, 255, 10}},
	}
	for i := range 100 {
		sent = append(sent, ekaf.Header{Key: fmt.Sprint("h", i), Value: bytes.Repeat([]byte("x"), i)})
	}
	topic := t.topic(1, nil)
	p := t.producer()
	_, err := p.ProduceSync(t.ctx, topic, ekaf.Message{Value: []byte("v"), Headers: sent})
	t.check(err)
	equal := func(a kgo.RecordHeader, b ekaf.Header) bool { return a.Key == b.Key && same(a.Value, b.Value) }
	if got := t.one(topic).Headers; !slices.EqualFunc(got, sent, equal) {
		t.Errorf("got headers %q", got)
	}
}
