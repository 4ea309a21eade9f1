//go:build !race

// With the race detector pools forget at random what they were given.

package sender

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// longName is longer than what Go makes a string of without allocating.
const longName = "the-name-of-this-topic-is-longer-than-thirty-two-bytes"

// quietBroker answers Produce requests for a topic's partition 0 without allocating.
type quietBroker struct {
	*fakeBroker
	frame [64 << 10]byte
}

func (b *quietBroker) dial(context.Context, string, string) (net.Conn, error) {
	client, server := net.Pipe()
	b.running.Go(func() {
		defer server.Close()
		b.serve(server)
	})
	b.set(func() { b.wires = append(b.wires, server) })
	return client, nil
}

func (b *quietBroker) serve(wire net.Conn) {
	a := asked{req: kmsg.NewPtrProduceRequest()}
	a.req.SetVersion(b.produceMax)
	a.req.Topics = []kmsg.ProduceRequestTopic{{
		Topic: longName, TopicID: topicIDOf(1), Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 0}},
	}}
	answer := make([]byte, 8)
	if b.produceMax >= flexibleFrom {
		answer = append(answer, 0)
	}
	response := a.response()
	const marker = 0x1122334455667788
	response.Topics[0].Partitions[0].BaseOffset = marker
	answer = response.AppendTo(answer)
	binary.BigEndian.PutUint32(answer, uint32(len(answer)-4))
	// Offsets rise, one record a request: the lane would take any other for a loss.
	baseOffset := answer[bytes.Index(answer, binary.BigEndian.AppendUint64(nil, marker)):]
	next := uint64(0)
	for {
		if _, err := io.ReadFull(wire, b.frame[:4]); err != nil {
			return
		}
		frame := b.frame[:binary.BigEndian.Uint32(b.frame[:])]
		if _, err := io.ReadFull(wire, frame); err != nil {
			return
		}
		if binary.BigEndian.Uint16(frame) == uint16(kmsg.ApiVersions) {
			write(wire, int32(binary.BigEndian.Uint32(frame[4:])), false, b.versions(int16(binary.BigEndian.Uint16(frame[2:]))))
			continue
		}
		copy(answer[4:8], frame[4:8])
		binary.BigEndian.PutUint64(baseOffset, next)
		next++
		if _, err := wire.Write(answer); err != nil {
			return
		}
	}
}

// told is a completer that only says that it was called.
type told chan error

func (c told) Inline() bool                            { return true }
func (c told) Complete(_ batch.Entry, r *batch.Result) { c <- r.Err }

// A request costs the sender no memory once all pools are warm, nor does its
// answer. What is left is the lane's list of outcomes and the result that this
// test's host hands on.
func TestRequestsAllocateNothing(t *testing.T) {
	for _, version := range []int16{3, 9, 13} {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			sc := newScene(t, func(sc *scene) {
				quiet := &quietBroker{fakeBroker: sc.broker}
				quiet.produceMax = version
				sc.cfg.Conn.Dial = quiet.dial
			})
			cfg := sc.topic(longName, func(c *worker.Config) { c.Linger = 0 })
			cfg.ID.Store(topicIDOf(1))
			l := sc.lanes(1, cfg)[0]
			done := make(told, 1)
			m := batch.Message{Value: []byte("value")}
			send := func() {
				_, generation := l.Partition.Choice()
				l.Begin(generation)
				l.Put(&m, done, 0)
				l.Commit(true)
				if err := <-done; err != nil {
					t.Fatal(err)
				}
			}
			for range 100 {
				send()
			}
			// A garbage collection may empty the pools meanwhile.
			if n := testing.AllocsPerRun(2000, send); n > 2 {
				t.Errorf("%v allocations for a request, want 2 at most", n)
			}
		})
	}
}
