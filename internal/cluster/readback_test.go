package cluster

import (
	"encoding/binary"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// logBatch is the bytes of a batch of n records of 10 bytes; offsets base to base+n-1.
func logBatch(base int64, n int32, pid int64, epoch int16, sequence int32) []byte {
	b := make([]byte, headerBytes+10*n)
	binary.BigEndian.PutUint64(b, uint64(base))
	binary.BigEndian.PutUint32(b[atLength:], uint32(len(b)-beforeLength))
	b[atMagic] = 2
	binary.BigEndian.PutUint32(b[atLastDelta:], uint32(n-1))
	binary.BigEndian.PutUint64(b[atProducer:], uint64(pid))
	binary.BigEndian.PutUint16(b[atEpoch:], uint16(epoch))
	binary.BigEndian.PutUint32(b[atSequence:], uint32(sequence))
	return b
}

func control(b []byte) []byte {
	b[atAttributes+1] |= controlBit
	return b
}

// oldMessage is a message of format v1.
func oldMessage(offset int64) []byte {
	b := make([]byte, 12+22)
	binary.BigEndian.PutUint64(b, uint64(offset))
	binary.BigEndian.PutUint32(b[atLength:], 22)
	b[atMagic] = 1
	return b
}

func TestScanBatches(t *testing.T) {
	var all []byte
	for _, b := range [][]byte{oldMessage(3), oldMessage(4), logBatch(5, 3, 7, 1, 0), control(logBatch(8, 1, 7, 1, -1)), logBatch(9, 5, 7, 1, 1<<31-2)} {
		all = append(all, b...)
	}
	var got []batchHeader
	next, err := scanBatches(all, func(h batchHeader) { got = append(got, h) })
	if err != nil || next != 14 || len(got) != 5 {
		t.Fatalf("got %+v, next %d, %v", got, next, err)
	}
	if got[0].producer != -1 || got[2].lastSequence != 2 || got[2].last != 7 || !got[3].control || got[4].lastSequence != 2 {
		t.Errorf("got %+v", got)
	}
	// Cut at each byte: what is whole is read, nothing fails.
	for cut := range len(all) {
		seen := 0
		next, err := scanBatches(all[:cut], func(batchHeader) { seen++ })
		if err != nil || (seen == 0) != (next == -1) || seen > 5 {
			t.Fatalf("cut at %d: %d headers, next %d, %v", cut, seen, next, err)
		}
	}
}

func TestScanBatchesRefusesNonsense(t *testing.T) {
	for name, spoil := range map[string]func(b []byte){
		"format":   func(b []byte) { b[atMagic] = 3 },
		"length":   func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 3) },
		"negative": func(b []byte) { binary.BigEndian.PutUint32(b[atLength:], 1<<31) },
		"offset":   func(b []byte) { b[0] = 0x80 },
		"delta":    func(b []byte) { b[atLastDelta] = 0x80 },
	} {
		b := logBatch(5, 3, 7, 1, 0)
		spoil(b)
		if _, err := scanBatches(b, func(batchHeader) {}); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := scanBatches(append(logBatch(9, 1, 7, 1, 0), logBatch(5, 1, 7, 1, 1)...), func(batchHeader) {}); err == nil {
		t.Error("offsets that go back: no error")
	}
}

func FuzzScanBatches(f *testing.F) {
	f.Add(logBatch(5, 3, 7, 1, 0))
	f.Add(append(oldMessage(1), control(logBatch(2, 1, 7, 1, -1))...))
	f.Fuzz(func(t *testing.T, b []byte) {
		last := int64(-1)
		next, err := scanBatches(b, func(h batchHeader) {
			if h.base < 0 || h.last < h.base || h.last < last || h.lastSequence < -1 {
				t.Fatalf("%+v after offset %d", h, last)
			}
			last = h.last
		})
		if err == nil && last >= 0 && next != last+1 {
			t.Fatalf("next %d after offset %d", next, last)
		}
	})
}

func TestLater(t *testing.T) {
	for _, tc := range []struct {
		a, b int32
		want bool
	}{{1, 0, true}, {0, 1, false}, {5, 5, false}, {0, 1<<31 - 1, true}, {1<<31 - 1, 0, false}, {3, 1<<31 - 3, true}} {
		if got := later(tc.a, tc.b); got != tc.want {
			t.Errorf("later(%d, %d) = %v", tc.a, tc.b, got)
		}
	}
}

// partitionLog is a scripted log which a leader serves.
type partitionLog struct {
	start, end int64
	serve      func(offset int64) (records []byte, code int16)
	offsets    func(which int64) (offset int64, code int16) // nil: start and end
}

func (l *partitionLog) on(s *script) {
	s.topic("orders", 1, 0, 1)
	s.on(2, func(_ string, req kmsg.Request) kmsg.Response {
		which := req.(*kmsg.ListOffsetsRequest).Topics[0].Partitions[0].Timestamp
		rp := kmsg.NewListOffsetsResponseTopicPartition()
		switch {
		case l.offsets != nil:
			rp.Offset, rp.ErrorCode = l.offsets(which)
		case which == earliest:
			rp.Offset = l.start
		default:
			rp.Offset = l.end
		}
		rt := kmsg.NewListOffsetsResponseTopic()
		rt.Topic, rt.Partitions = "orders", append(rt.Partitions, rp)
		resp := kmsg.NewPtrListOffsetsResponse()
		resp.Topics = append(resp.Topics, rt)
		return resp
	})
	s.on(1, func(_ string, req kmsg.Request) kmsg.Response {
		rp := kmsg.NewFetchResponseTopicPartition()
		rp.RecordBatches, rp.ErrorCode = l.serve(req.(*kmsg.FetchRequest).Topics[0].Partitions[0].FetchOffset)
		rt := kmsg.NewFetchResponseTopic()
		rt.Topic, rt.Partitions = "orders", append(rt.Partitions, rp)
		resp := kmsg.NewPtrFetchResponse()
		resp.Topics = append(resp.Topics, rt)
		return resp
	})
}

// readBackOf reads a scripted log back from offset 10 for producer 7, epoch 1.
func readBackOf(t *testing.T, l *partitionLog) (found Found, s *script, err error) {
	synctest.Test(t, func(t *testing.T) {
		s = newScript(b1)
		l.on(s)
		c := s.start(t, Config{}, "one:9092")
		found, err = c.ReadBack(within(t, 5*time.Minute), "orders", 0, 10, 7, 1)
		c.Close()
	})
	return found, s, err
}

func TestReadBackThroughSmallAnswers(t *testing.T) {
	batches := map[int64][]byte{
		10: logBatch(8, 4, 7, 1, 0),       // holds offset 10
		12: logBatch(12, 2, 8, 1, 50),     // another's
		14: logBatch(14, 1, 7, 0, 90),     // an older epoch's
		15: logBatch(15, 3, 7, 1, 4)[:70], // cut off
		18: control(logBatch(18, 1, 7, 1, 99)),
	}
	l := &partitionLog{end: 19}
	l.serve = func(offset int64) ([]byte, int16) { return batches[offset], 0 }
	found, _, err := readBackOf(t, l)
	if want := (Found{Written: true, LastSequence: 6, BaseOffset: 15, LogEnd: 19}); err != nil || found != want {
		t.Errorf("got %+v, %v, want %+v", found, err, want)
	}
}

func TestReadBackAcrossTheSequenceWrap(t *testing.T) {
	l := &partitionLog{end: 14}
	l.serve = func(int64) ([]byte, int16) {
		return append(logBatch(10, 2, 7, 1, 1<<31-2), logBatch(12, 2, 7, 1, 0)...), 0
	}
	found, _, err := readBackOf(t, l)
	if err != nil || !found.Written || found.LastSequence != 1 || found.BaseOffset != 12 {
		t.Errorf("got %+v, %v", found, err)
	}
}

// What the first batch found tells of those in front of it depends on whether anything is missing there.
func TestReadBackFindsTheFirst(t *testing.T) {
	for name, tc := range map[string]struct {
		start int64
		log   []byte
		cut   bool
	}{
		"whole":     {0, append(logBatch(10, 2, 8, 1, 0), logBatch(12, 2, 7, 1, 5)...), false},
		"compacted": {0, append(logBatch(10, 1, 8, 1, 0), logBatch(12, 2, 7, 1, 5)...), true},
		"deleted":   {12, logBatch(12, 2, 7, 1, 5), true},
		// What is missing behind it says nothing.
		"compacted behind it": {0, append(logBatch(10, 2, 7, 1, 5), logBatch(13, 1, 8, 1, 0)...), false},
	} {
		l := &partitionLog{start: tc.start, end: 14}
		l.serve = func(int64) ([]byte, int16) { return tc.log, 0 }
		found, _, err := readBackOf(t, l)
		if err != nil || !found.Written || found.FirstSequence != 5 || found.LastSequence != 6 || found.Cut != tc.cut {
			t.Errorf("%s: got %+v, %v", name, found, err)
		}
	}
}

// Retention deletes offsets 10 to 15 after the bounds were learnt and before they are read.
func TestReadBackWhileTheLogIsDeleted(t *testing.T) {
	l := &partitionLog{end: 20}
	l.serve = func(offset int64) ([]byte, int16) {
		l.start = 16
		if offset < 16 {
			return nil, kerr.OffsetOutOfRange.Code
		}
		return logBatch(16, 4, 8, 1, 0), 0
	}
	found, _, err := readBackOf(t, l)
	if want := (Found{LogStart: 16, LogEnd: 20, Undecidable: true}); err != nil || found != want {
		t.Errorf("got %+v, %v, want %+v", found, err, want)
	}
}

func TestReadBackOfATruncatedLog(t *testing.T) {
	l := &partitionLog{end: 4}
	l.serve = func(int64) ([]byte, int16) { return nil, kerr.OffsetOutOfRange.Code }
	found, s, err := readBackOf(t, l)
	if want := (Found{LogEnd: 4}); err != nil || found != want || s.count(1) != 0 {
		t.Errorf("got %+v, %v, %d fetches", found, err, s.count(1))
	}
}

// After an election the high watermark lags behind what was committed: the answer must wait for it.
func TestReadBackWaitsForTheHighWatermark(t *testing.T) {
	asked := 0
	l := &partitionLog{}
	l.offsets = func(which int64) (int64, int16) {
		if which == earliest {
			return 0, 0
		}
		if asked++; asked < 4 {
			return -1, kerr.OffsetNotAvailable.Code
		}
		return 12, 0
	}
	l.serve = func(int64) ([]byte, int16) { return logBatch(10, 2, 7, 1, 0), 0 }
	found, _, err := readBackOf(t, l)
	if err != nil || !found.Written || asked != 4 {
		t.Errorf("got %+v, %v after %d answers", found, err, asked)
	}
}

func TestReadBackEnds(t *testing.T) {
	for name, serve := range map[string]func(int64) ([]byte, int16){
		"no progress":      func(int64) ([]byte, int16) { return nil, 0 },
		"the same again":   func(int64) ([]byte, int16) { return logBatch(5, 2, 7, 1, 0), 0 },
		"always elsewhere": func(int64) ([]byte, int16) { return nil, kerr.OffsetOutOfRange.Code },
		"garbage":          func(int64) ([]byte, int16) { return make([]byte, 100), 0 },
	} {
		if found, _, err := readBackOf(t, &partitionLog{end: 20, serve: serve}); err == nil || found.Written {
			t.Errorf("%s: got %+v, %v", name, found, err)
		}
	}
}

func TestReadBackDenied(t *testing.T) {
	l := &partitionLog{end: 20}
	l.serve = func(int64) ([]byte, int16) { return nil, kerr.TopicAuthorizationFailed.Code }
	if _, _, err := readBackOf(t, l); !errors.Is(err, ErrCannotAsk) {
		t.Errorf("got %v", err)
	}
}

// Reading back must be put to the leader alone: Fetch from v11 on is answered by followers too.
func TestReadBackAsksAsOldConsumersDo(t *testing.T) {
	l := &partitionLog{end: 11}
	l.serve = func(int64) ([]byte, int16) { return logBatch(10, 1, 7, 1, 0), 0 }
	_, s, err := readBackOf(t, l)
	if err != nil {
		t.Fatal(err)
	}
	for _, req := range s.asked {
		if f, ok := req.(*kmsg.FetchRequest); ok && (f.Version != 10 || f.Topics[0].Partitions[0].CurrentLeaderEpoch != 0 || f.IsolationLevel != 0) {
			t.Errorf("asked with version %d: %+v", f.Version, f)
		}
	}
}
