package sender

import (
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/worker"
)

// decoded is all that a response says.
type decoded struct {
	answers  []partitionAnswer
	throttle time.Duration
	nodes    []LeaderHint
}

func decodeAll(version int16, body []byte) (decoded, error) {
	var got decoded
	d := response{rest: body, version: version}
	err := d.decode(func(p *partitionAnswer) { got.answers = append(got.answers, *p) })
	got.throttle, got.nodes = d.throttle, d.nodes
	return got, err
}

func topicIDOf(n byte) (id [16]byte) {
	id[0], id[15] = 0xee, n
	return id
}

// fullResponse uses every field that a version has.
func fullResponse(version int16) *kmsg.ProduceResponse {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = version
	resp.ThrottleMillis = 1234
	for topic := range 2 {
		rt := kmsg.NewProduceResponseTopic()
		rt.Topic = fmt.Sprintf("topic-%d", topic)
		rt.TopicID = topicIDOf(byte(topic))
		for partition := range int32(3) {
			rp := kmsg.NewProduceResponseTopicPartition()
			rp.Partition = 10*int32(topic) + partition
			rp.BaseOffset = 1<<40 + int64(partition)
			rp.LogAppendTime = -1
			rp.LogStartOffset = 77
			if partition == 1 {
				rp.ErrorCode, rp.BaseOffset, rp.LogAppendTime = 87, -1, 1700000000000
				rp.ErrorMessage = new("two records are bad")
				rp.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{
					{RelativeOffset: 3, ErrorMessage: new("no key")}, {RelativeOffset: 5},
				}
			}
			if partition == 2 {
				rp.ErrorCode = 6
			}
			if partition == 2 && version >= 10 {
				rp.CurrentLeader.LeaderID, rp.CurrentLeader.LeaderEpoch = 9, 41
			}
			rt.Partitions = append(rt.Partitions, rp)
		}
		resp.Topics = append(resp.Topics, rt)
	}
	if version >= 10 {
		resp.Brokers = []kmsg.ProduceResponseBroker{
			{NodeID: 9, Host: "nine.test", Port: 9092, Rack: new("r1")}, {NodeID: 8, Host: "eight.test", Port: 9093},
		}
	}
	return resp
}

// want is what the sender is to understand of fullResponse.
func want(version int16) decoded {
	w := decoded{}
	if version >= 1 {
		w.throttle = 1234 * time.Millisecond
	}
	for topic := range 2 {
		for partition := range int32(3) {
			p := partitionAnswer{partition: 10*int32(topic) + partition}
			if version >= 13 {
				p.topicID = topicIDOf(byte(topic))
			} else {
				p.topic = fmt.Appendf(nil, "topic-%d", topic)
			}
			p.answer = worker.Answer{BaseOffset: 1<<40 + int64(partition), LogAppendTime: -1}
			switch partition {
			case 1:
				p.answer = worker.Answer{Code: 87, BaseOffset: -1, LogAppendTime: -1}
				if version >= 2 {
					p.answer.LogAppendTime = 1700000000000
				}
				if version >= 8 {
					p.answer.Message = "two records are bad"
					p.answer.Bad = []worker.BadRecord{{Index: 3, Message: "no key"}, {Index: 5}}
				}
			case 2:
				p.answer.Code = 6
				if version >= 10 {
					p.hinted, p.hint = true, LeaderHint{Partition: p.partition, Leader: 9, Epoch: 41}
				}
			}
			w.answers = append(w.answers, p)
		}
	}
	if version >= 10 {
		w.nodes = []LeaderHint{
			{Leader: 9, Host: "nine.test", Port: 9092, Rack: "r1"}, {Leader: 8, Host: "eight.test", Port: 9093},
		}
	}
	return w
}

func TestDecodeEveryVersion(t *testing.T) {
	for version := int16(produceMin); version <= produceMax; version++ {
		t.Run(fmt.Sprintf("v%d", version), func(t *testing.T) {
			got, err := decodeAll(version, fullResponse(version).AppendTo(nil))
			if err != nil {
				t.Fatal(err)
			}
			for i := range got.answers {
				if !got.answers[i].hinted {
					got.answers[i].hint = LeaderHint{} // a leftover nobody may look at
				}
			}
			if w := want(version); !reflect.DeepEqual(got, w) {
				t.Errorf("got  %+v\nwant %+v", got, w)
			}
		})
	}
}

// A response that ends early, at whichever byte, is an error, and what was
// understood before the end is what the whole response says.
func TestDecodeCutAtEachByte(t *testing.T) {
	for version := int16(produceMin); version <= produceMax; version++ {
		whole := fullResponse(version).AppendTo(nil)
		all, err := decodeAll(version, whole)
		if err != nil {
			t.Fatal(err)
		}
		for n := range whole {
			got, err := decodeAll(version, whole[:n])
			if !errors.Is(err, errCutShort) {
				t.Fatalf("v%d cut at byte %d of %d: got %v, want %v", version, n, len(whole), err, errCutShort)
			}
			for i, p := range got.answers {
				if !reflect.DeepEqual(p.answer, all.answers[i].answer) {
					t.Fatalf("v%d cut at byte %d: answer %d is %+v, want %+v", version, n, i, p.answer, all.answers[i].answer)
				}
			}
		}
	}
}

// Unknown tagged fields are passed over wherever they may stand (KIP-482).
func TestDecodePassesUnknownTags(t *testing.T) {
	for version := int16(flexibleFrom); version <= produceMax; version++ {
		resp := fullResponse(version)
		set := func(tags *kmsg.Tags) { tags.Set(99, []byte("from the future")) }
		set(&resp.UnknownTags)
		for i := range resp.Topics {
			topic := &resp.Topics[i]
			set(&topic.UnknownTags)
			for j := range topic.Partitions {
				partition := &topic.Partitions[j]
				set(&partition.UnknownTags)
				for k := range partition.ErrorRecords {
					set(&partition.ErrorRecords[k].UnknownTags)
				}
			}
		}
		for i := range resp.Brokers {
			set(&resp.Brokers[i].UnknownTags)
		}
		got, err := decodeAll(version, resp.AppendTo(nil))
		plain, plainErr := decodeAll(version, fullResponse(version).AppendTo(nil))
		if err != nil || plainErr != nil || !reflect.DeepEqual(got, plain) {
			t.Errorf("v%d with unknown tags: %+v (%v)\nwithout: %+v (%v)", version, got, err, plain, plainErr)
		}
	}
}

// liar is the start of a response whose next count or length is a lie.
type liar struct {
	name    string
	version int16
	body    []byte
}

func liars() []liar {
	huge := []byte{0x7f, 0xff, 0xff, 0xff}            // an int32 of 2 G
	hugeCompact := []byte{0xff, 0xff, 0xff, 0xff, 7}  // a uvarint of 2 G
	beyond := []byte{0xff, 0xff, 0xff, 0xff, 0xff, 1} // a uvarint of more than 32 bits
	endless := []byte{0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80}
	// up to a partition's answer and its error records
	plain := append([]byte{0, 0, 0, 1, 0, 1, 't', 0, 0, 0, 1}, make([]byte, 4+2+8+8+8)...)
	compact := append([]byte{2, 2, 't', 2}, make([]byte, 4+2+8+8+8)...)
	after := func(start []byte, rest ...byte) []byte { return append(append([]byte(nil), start...), rest...) }
	var all []liar
	add := func(name string, version int16, body []byte) { all = append(all, liar{name, version, body}) }
	for _, version := range []int16{3, 8} {
		add("topics", version, huge)
		add("topic name", version, []byte{0, 0, 0, 1, 0x7f, 0xff, 't'})
		add("partitions", version, after([]byte{0, 0, 0, 1, 0, 1, 't'}, huge...))
	}
	add("error records", 8, after(plain, huge...))
	add("error record's message", 8, after(plain, 0, 0, 0, 1, 0, 0, 0, 0, 0x7f, 0xff))
	add("error message", 8, after(plain, 0, 0, 0, 0, 0x7f, 0xff))
	for _, version := range []int16{9, 12} {
		for _, n := range [][]byte{hugeCompact, beyond, endless} {
			add("topics", version, n)
			add("topic name", version, after([]byte{2}, n...))
			add("partitions", version, after([]byte{2, 2, 't'}, n...))
			add("error records", version, after(compact, n...))
			add("error record's message", version, after(compact, after([]byte{2, 0, 0, 0, 0}, n...)...))
			add("error message", version, after(compact, after([]byte{1}, n...)...))
			add("partition's tags", version, after(compact, after([]byte{1, 0}, n...)...))
			add("tag's size", version, after(compact, after([]byte{1, 0, 1, 0}, n...)...))
			add("response's tags", version, after([]byte{1, 0, 0, 0, 0}, n...))
			add("node endpoints", version, after([]byte{1, 0, 0, 0, 0, 1, 0, byte(len(n))}, n...))
		}
	}
	add("leader's tag", 12, after(compact, 1, 0, 1, 0, 3, 0, 0, 0))
	add("topics", 13, hugeCompact)
	return all
}

func TestDecodeTrustsNoCount(t *testing.T) {
	for _, l := range liars() {
		t.Run(fmt.Sprintf("%s v%d %x", l.name, l.version, l.body), func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := decodeAll(l.version, l.body)
			runtime.ReadMemStats(&after)
			if !errors.Is(err, errCutShort) {
				t.Errorf("got %v, want %v", err, errCutShort)
			}
			if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<10 {
				t.Errorf("%d bytes of lies made it allocate %d bytes", len(l.body), grown)
			}
		})
	}
}

// Null and negative counts are empty lists: nothing is answered.
func TestDecodeNullArrays(t *testing.T) {
	for version, body := range map[int16][]byte{
		3: {0xff, 0xff, 0xff, 0xff, 0, 0, 0, 5},
		8: {0x80, 0, 0, 0, 0, 0, 0, 5},
		9: {0, 0, 0, 0, 5, 0},
	} {
		got, err := decodeAll(version, body)
		if err != nil || len(got.answers) != 0 || got.throttle != 5*time.Millisecond {
			t.Errorf("v%d: %+v, %v; want nothing but 5 ms", version, got, err)
		}
	}
}

// FuzzDecode: no input makes the decoder panic, answer more partitions or name
// more records than there are bytes for, or differ from the reader of kmsg on
// what both accept.
func FuzzDecode(f *testing.F) {
	for version := int16(produceMin); version <= produceMax; version++ {
		f.Add(version, fullResponse(version).AppendTo(nil))
	}
	for _, l := range liars() {
		f.Add(l.version, l.body)
	}
	f.Fuzz(func(t *testing.T, version int16, body []byte) {
		version = produceMin + int16(uint16(version)%(produceMax-produceMin+1))
		got, err := decodeAll(version, body)
		if err != nil && !errors.Is(err, errCutShort) {
			t.Fatalf("an error of its own: %v", err)
		}
		named := 0
		for _, p := range got.answers {
			named += len(p.answer.Bad)
		}
		least := 22 // bytes of an answer
		if version < 2 {
			least = 14
		}
		if least*len(got.answers)+4*named+12*len(got.nodes) > len(body) {
			t.Fatalf("%d bytes gave %d answers, %d bad records and %d nodes", len(body), len(got.answers), named, len(got.nodes))
		}
		if err == nil {
			compareWithKmsg(t, version, body, got)
		}
	})
}

// compareWithKmsg reads an accepted response again, by the other reader. That one
// is only asked about what our own has accepted: it loops long over counts that lie.
func compareWithKmsg(t *testing.T, version int16, body []byte, got decoded) {
	resp := kmsg.NewPtrProduceResponse()
	resp.Version = version
	if resp.ReadFrom(body) != nil {
		return // it is stricter about nulls
	}
	i := 0
	for _, topic := range resp.Topics {
		for _, p := range topic.Partitions {
			if i == len(got.answers) {
				t.Fatalf("kmsg reads more than the %d answers that we read", i)
			}
			a := got.answers[i]
			if a.partition != p.Partition || a.answer.Code != p.ErrorCode || a.answer.BaseOffset != p.BaseOffset ||
				a.answer.LogAppendTime != p.LogAppendTime || len(a.answer.Bad) != len(p.ErrorRecords) {
				t.Fatalf("answer %d: we read %+v, kmsg %+v", i, a, p)
			}
			i++
		}
	}
	if i != len(got.answers) || got.throttle != time.Duration(resp.ThrottleMillis)*time.Millisecond {
		t.Fatalf("we read %d answers and %v, kmsg %d and %d ms", len(got.answers), got.throttle, i, resp.ThrottleMillis)
	}
}
