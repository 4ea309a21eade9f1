package ekaftest

import (
	"bytes"
	"compress/gzip"
	"testing"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// FuzzFrame: no bytes from the network may panic a broker.
func FuzzFrame(f *testing.F) {
	for _, req := range []kmsg.Request{
		kmsg.NewPtrApiVersionsRequest(), kmsg.NewPtrMetadataRequest(), kmsg.NewPtrProduceRequest(), kmsg.NewPtrFetchRequest(),
	} {
		req.SetVersion(req.MaxVersion())
		f.Add(kmsg.NewRequestFormatter(kmsg.FormatterClientID("fuzz")).AppendRequest(nil, req, 1))
	}
	f.Add([]byte{0, 0, 0, 10, 0x7f, 0xff, 0, 0, 0, 0, 0, 1, 0xff, 0xff})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		raw, err := readFrame(bytes.NewReader(data))
		if err != nil {
			return
		}
		if fr, err := parseFrame(raw); err == nil && fr.body == nil {
			t.Fatal("a request without a body")
		}
	})
}

// FuzzBatch: validation answers, whatever the records are, and what it accepts
// has as many records as it says.
func FuzzBatch(f *testing.F) {
	record := append([]byte{14}, 0, 0, 0, 1, 2, 'v', 0)
	header := kmsg.RecordBatch{Magic: 2, NumRecords: 1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, Records: record}
	raw := header.AppendTo(nil)
	raw[11] = byte(len(raw) - 12)
	fixCRC(raw)
	f.Add(raw, int16(9))
	for codec := range byte(8) {
		packed := bytes.Clone(raw)
		packed[atAttributes+1] = codec
		fixCRC(packed)
		f.Add(packed, int16(7))
	}
	f.Add(append(bytes.Clone(raw), raw...), int16(3))
	f.Add(raw[:30], int16(13))
	c := &Cluster{limits: timestampLimits{-1, -1}}
	topic := &kfake.TopicInfo{Topic: "events"}
	f.Fuzz(func(t *testing.T, raw []byte, version int16) {
		if len(raw) >= batchHeaderLen {
			raw = bytes.Clone(raw)
			fixCRC(raw) // past the check that guards the rest
		}
		b, no := c.validate(version, topic, raw, time.Now())
		if no != nil {
			if no.code == 0 {
				t.Fatal("refused without a code")
			}
			return
		}
		if records, err := b.records(); err != nil || len(records) != int(b.count) {
			t.Fatalf("accepted %d records of %d: %v", len(records), b.count, err)
		}
	})
}

// FuzzSCRAM: no message of a client may panic the exchange.
func FuzzSCRAM(f *testing.F) {
	f.Add("n,,n=ann,r=abc", "c=biws,r=abc,p=AAAA")
	f.Add(",,", ",p=")
	f.Add("p=tls-unique,,n=ann,r=abc", "")
	f.Fuzz(func(t *testing.T, first, final string) {
		s := &scram{hash: scramHash(scramSHA256)}
		if _, err := s.first(first, map[string]string{"ann": "secret"}); err != nil {
			return
		}
		if _, err := s.final(final); err == nil {
			t.Fatal("a guess was let in")
		}
	})
}

// FuzzDecompress: whatever a batch holds in the place of compressed records, the
// broker answers, and takes no more memory than its bound.
func FuzzDecompress(f *testing.F) {
	text := bytes.Repeat([]byte("records "), 20)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		f.Fatal(err)
	}
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(packed.Bytes(), int8(1))
	f.Add(s2.EncodeSnappy(nil, text), int8(2))
	f.Add([]byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x7f\xff\xff\xff"), int8(2))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, int8(2))
	f.Add([]byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0}, int8(3))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, int8(4))
	f.Fuzz(func(t *testing.T, src []byte, codec int8) {
		out, err := decompress(src, codec)
		if err == nil && len(out) > maxDecompressed {
			t.Errorf("codec %d gave %d bytes", codec, len(out))
		}
	})
}
