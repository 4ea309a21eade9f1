package broker

import (
	"bytes"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// request is a connection which holds what a client sent and takes answers.
type request struct{ io.Reader }

func (request) Write(b []byte) (int, error)      { return len(b), nil }
func (request) Close() error                     { return nil }
func (request) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (request) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (request) SetDeadline(time.Time) error      { return nil }
func (request) SetReadDeadline(time.Time) error  { return nil }
func (request) SetWriteDeadline(time.Time) error { return nil }

// FuzzServe gives a connection any bytes: it must end, and count no record
// that a batch of the input did not hold.
func FuzzServe(f *testing.F) {
	format := kmsg.NewRequestFormatter()
	for _, v := range []int16{3, 8, 9, 12, 13} {
		f.Add(format.AppendRequest(nil, produceRequest(v, "t", map[int32][]byte{0: batch(1, 0, 0, "v", "w"), 1: batch(1, 0, 0, "x")}), 1))
	}
	metadata := kmsg.NewPtrMetadataRequest()
	metadata.Version = 12
	f.Add(format.AppendRequest(nil, metadata, 1))
	f.Add(format.AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), 1))
	f.Add(format.AppendRequest(nil, kmsg.NewPtrInitProducerIDRequest(), 1))
	f.Add([]byte{0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 1, 2})
	f.Fuzz(func(t *testing.T, in []byte) {
		for _, verify := range []bool{false, true} {
			b, err := New(Config{Topics: map[string]int{"t": 2}, Verify: verify})
			if err != nil {
				t.Fatal(err)
			}
			newConn(b, request{bytes.NewReader(in)}).serve()
			got := b.Counters()
			if got.Bytes > int64(len(in)) || verify && got.VerifiedRecords != got.Records {
				t.Errorf("counted %+v in %d bytes", got, len(in))
			}
		}
	})
}

// FuzzInflate gives the codecs any bytes: they must not panic, nor return more
// than their bound.
func FuzzInflate(f *testing.F) {
	f.Add([]byte{5, 4 << 2, 'h', 'e', 'l', 'l', 'o'}, int16(2))
	f.Add(append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 3, 1, 0, 'x'), int16(2))
	f.Add([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff, 1, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0}, int16(1))
	f.Add([]byte{0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82, 0, 0, 0, 0}, int16(3))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58, 1, 0, 0}, int16(4))
	f.Fuzz(func(t *testing.T, in []byte, codec int16) {
		out, err := inflate(in, codec)
		if err == nil && len(out) > max(maxInflated, len(in)) {
			t.Errorf("%d bytes became %d", len(in), len(out))
		}
	})
}

// FuzzVerifyRecord gives the record decoder any bytes: what it leaves is the
// end of what it got.
func FuzzVerifyRecord(f *testing.F) {
	f.Add(batch(1, 0, 0, "value", "second")[batchHeaderSize:])
	f.Add([]byte{14, 0, 0, 0, 1, 2, 'v', 0})
	f.Fuzz(func(t *testing.T, in []byte) {
		var seen tally
		rest, err := verifyRecord(in, 0, &seen)
		if err == nil && (!bytes.HasSuffix(in, rest) || seen.verified != 1) {
			t.Errorf("%x left %x, seen %+v", in, rest, seen)
		}
	})
}
