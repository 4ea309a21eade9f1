package conn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"
	"time"
)

func noLimit() int32 { return 1 << 30 }

// A size that lies must not allocate what it claims.
func TestLyingSizeAllocatesWhatArrives(t *testing.T) {
	stream := append(binary.BigEndian.AppendUint32(nil, 60<<20), bytes.Repeat([]byte("x"), 10_000)...)
	f := frameReader{src: bytes.NewReader(stream)}
	if _, err := f.next(func() int32 { return 64 << 20 }); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("error %v, want an unexpected end", err)
	}
	if cap(f.buf) > 32<<10 {
		t.Errorf("the buffer grew to %d for 10,004 bytes", cap(f.buf))
	}
}

func TestReadBufferShrinks(t *testing.T) {
	large := framed(bytes.Repeat([]byte("x"), 4*readKeepBytes))
	f := frameReader{src: bytes.NewReader(append(large, framed([]byte("small"))...))}
	if b, err := f.next(noLimit); err != nil || len(b) != 4*readKeepBytes {
		t.Fatalf("%d bytes, %v", len(b), err)
	}
	if b, err := f.next(noLimit); err != nil || string(b) != "small" {
		t.Fatalf("%q, %v", b, err)
	}
	if _, err := f.next(noLimit); err != io.EOF || cap(f.buf) > readKeepBytes {
		t.Errorf("error %v, buffer of %d bytes kept", err, cap(f.buf))
	}
}

func TestReaderThatNeverProgresses(t *testing.T) {
	f := frameReader{src: emptyReader{}}
	if _, err := f.next(noLimit); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("error %v", err)
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }

func TestBrokenResponses(t *testing.T) {
	cases := map[string]struct {
		flexible bool
		answer   func(id int32) []byte
		want     error
	}{
		"negative size":      {answer: func(int32) []byte { return be32(-1) }, want: ErrProtocol},
		"size above limit":   {answer: func(int32) []byte { return be32(1<<20 + 1) }, want: ErrProtocol},
		"no correlation id":  {answer: func(int32) []byte { return framed([]byte("abc")) }, want: ErrProtocol},
		"empty frame":        {answer: func(int32) []byte { return framed() }, want: ErrProtocol},
		"foreign id":         {answer: func(id int32) []byte { return framed(be32(id + 1)) }, want: ErrProtocol},
		"no tags":            {flexible: true, answer: func(id int32) []byte { return framed(be32(id)) }, want: ErrProtocol},
		"tag cut short":      {flexible: true, answer: func(id int32) []byte { return framed(be32(id), []byte{1, 0, 9, 'x'}) }, want: ErrProtocol},
		"endless tag count":  {flexible: true, answer: func(id int32) []byte { return framed(be32(id), []byte{0xff, 0xff, 0xff, 0xff, 0x0f}) }, want: ErrProtocol},
		"overlong varint":    {flexible: true, answer: func(id int32) []byte { return framed(be32(id), bytes.Repeat([]byte{0x80}, 11)) }, want: ErrProtocol},
		"end inside a frame": {answer: func(id int32) []byte { return append(be32(100), "begun"...) }, want: io.ErrUnexpectedEOF},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			c := dialed(t, Config{MaxResponseBytes: 1 << 20}, func(p *peer) {
				r, _ := p.request()
				p.Write(tc.answer(r.correlation))
			})
			k := newCall()
			if err := c.Send(produce(c, "x"), nil, tc.flexible, k); err != nil {
				t.Fatal(err)
			}
			a := <-k.answered
			if !errors.Is(a.err, tc.want) || a.body != nil {
				t.Errorf("answer %q, %v; want %v", a.body, a.err, tc.want)
			}
			if pe, ok := errors.AsType[*PeerError](a.err); !ok || pe.Addr != "broker.test:9092" {
				t.Errorf("%v does not name the broker", a.err)
			}
		})
	}
}

func TestUnaskedBytesKill(t *testing.T) {
	c := dialed(t, Config{}, func(p *peer) { p.Write(framed(be32(9), []byte("surprise"))) })
	<-c.Done()
	if !errors.Is(c.Err(), ErrProtocol) {
		t.Errorf("error %v", c.Err())
	}
}

// The frames cut from any stream must not depend on how its bytes arrive, and must be what a plain loop over the whole
// stream finds.
func FuzzFrames(f *testing.F) {
	f.Add(framed([]byte("one")), uint8(1))
	f.Add(append(framed([]byte("one")), framed(bytes.Repeat([]byte("two"), 3000))...), uint8(3))
	f.Add(be32(-5), uint8(0))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n"), uint8(2))
	f.Add([]byte{0x15, 0x03, 0x03, 0, 2, 2, 40}, uint8(2))
	f.Add(append(be32(1<<19), "far too little"...), uint8(200))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		var want [][]byte
		for rest := stream; len(rest) >= 4; {
			n := int32(binary.BigEndian.Uint32(rest))
			if n < 0 || n > 1<<20 || int(n) > len(rest)-4 {
				break
			}
			want = append(want, rest[4:4+n])
			rest = rest[4+n:]
		}
		var src io.Reader = bytes.NewReader(stream)
		switch {
		case chunk == 1:
			src = iotest.OneByteReader(src)
		case chunk == 2:
			src = iotest.DataErrReader(src)
		case chunk > 2:
			src = &chunkReader{src, int(chunk)}
		}
		reader := frameReader{src: src}
		for i := 0; ; i++ {
			got, err := reader.next(func() int32 { return 1 << 20 })
			if err != nil {
				if i != len(want) {
					t.Fatalf("%d frames, then %v; want %d", i, err, len(want))
				}
				break
			}
			if i >= len(want) || !bytes.Equal(got, want[i]) {
				t.Fatalf("frame %d differs", i)
			}
		}
		if cap(reader.buf) > 2*len(stream)+2*readBytes {
			t.Fatalf("a buffer of %d bytes for a stream of %d", cap(reader.buf), len(stream))
		}
	})
}

type chunkReader struct {
	src  io.Reader
	most int
}

func (r *chunkReader) Read(b []byte) (int, error) { return r.src.Read(b[:min(len(b), r.most)]) }

// Whatever a broker sends, each handler hears exactly once, and in order.
func FuzzAnswers(f *testing.F) {
	f.Add(slices.Concat(framed(be32(0), []byte("a")), framed(be32(1), []byte{0}, []byte("b")), framed(be32(2))))
	f.Add(slices.Concat(framed(be32(0)), framed(be32(2))))
	f.Add(slices.Concat(framed(be32(0)), framed(be32(1), []byte{2, 1, 1, 'x', 5, 0}), framed(be32(2)), framed(be32(3))))
	f.Add([]byte("HTTP/1.0 200 OK"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		client, server := net.Pipe()
		c := newConn(newSettings(nil), "fuzz:1", stream{raw: client, nc: client})
		c.setStage(stageReady)
		log := newAnswerLog()
		var want []string
		go io.Copy(io.Discard, server)
		for i := range 3 {
			name := fmt.Sprint("h", i)
			want = append(want, name)
			if err := c.Send(produce(c, "x"), nil, i == 1, log.handler(name)); err != nil {
				t.Fatal(err)
			}
		}
		go c.readLoop()
		server.SetWriteDeadline(time.Now().Add(10 * time.Second))
		server.Write(sent)
		server.Close()
		<-c.Done()
		var got []string
		for _, line := range log.snapshot() {
			got = append(got, line[:2])
		}
		if !slices.Equal(got, want) {
			t.Fatalf("answered %q, want %q once each", got, want)
		}
	})
}

func TestPendingRing(t *testing.T) {
	var ring pendingRing
	next, due := int32(0), int32(0)
	// Grows while its head is in the middle of the slots, several times.
	for _, step := range []struct{ push, pop int }{{5, 3}, {6, 1}, {9, 12}, {20, 4}, {40, 60}} {
		for range step.push {
			ring.push(request{correlation: next})
			next++
		}
		for range step.pop {
			if got := ring.pop().correlation; got != due {
				t.Fatalf("popped %d, want %d", got, due)
			}
			due++
		}
	}
	if ring.count != 0 || next != due {
		t.Errorf("%d left, %d pushed, %d popped", ring.count, next, due)
	}
	for _, slot := range ring.slots {
		if slot != (request{}) {
			t.Errorf("an empty ring still holds %+v", slot)
		}
	}
}
