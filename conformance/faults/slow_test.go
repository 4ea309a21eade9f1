package faults

import (
	"errors"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// near is what brokers take to answer where nothing is wrong, and far the time of
// the slow one (librdkafka#2677).
const (
	near = 5 * time.Millisecond
	far  = 30 * time.Second
)

func slowBrokers() []scenario {
	three := []ekaftest.Option{ekaftest.Topic(topic, 3)}
	slow := func(name string, run func(*stage), options ...ekaf.Option) scenario {
		return scenario{name: name, brokers: 3, cluster: three, run: run, order: judge.PerPartition,
			options: append(options, ekaf.RequestTimeout(2*time.Minute), ekaf.BatchRecords(10))}
	}
	return []scenario{
		slow("the others keep their rate and latency while one of three answers after 30 s", keepRate),
		slow("the slow broker fills only its own share of memory", ownShare, ekaf.PartitionBufferMessages(50)),
		slow("the slow broker fills only its own share of memory, while callers wait for it", ownShareBlocking,
			ekaf.PartitionBufferMessages(50), ekaf.WhenFull(ekaf.Block)),
		slow("messages without a key avoid the slow broker", avoided, ekaf.PartitionBufferMessages(50)),
		slow("the slow broker catches up in order", catchUp),
	}
}

// slowDown makes the leader of partition 0 slow and has all three connections stand.
func (s *stage) slowDown() {
	s.T.Helper()
	for b := range int32(3) {
		s.kafka.Network(b).Delay(near)
		s.check(s.to(b))
	}
	s.kafka.Network(s.kafka.Leader(topic, 0)).Delay(far)
}

// to produces a message to a partition and waits for its ack. Keys are named for
// partitions, so that the judge sees the order within each.
func (s *stage) to(partition int32) error { return s.toAs(strconv.Itoa(int(partition)), partition) }

func (s *stage) toAs(key string, partition int32) error {
	m := s.message(key)
	_, err := s.producer.ProduceSync(s.Context(), s.topic, m.Message.OnPartition(partition))
	return err
}

// queue produces to a partition and does not wait.
func (s *stage) queue(partition int32) error {
	return s.queueAs(strconv.Itoa(int(partition)), partition)
}

func (s *stage) queueAs(key string, partition int32) error {
	m := s.message(key)
	err := s.producer.ProduceAsync(s.Context(), s.topic, m.Message.OnPartition(partition))
	if err != nil {
		s.refuse(m.name)
	}
	return err
}

// rate is how many sync calls to partitions 1 and 2, by four callers, end in three
// seconds of virtual time, and the longest of them.
func (s *stage) rate() (calls int, longest time.Duration) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	end := time.Now().Add(3 * time.Second)
	for caller := range 4 {
		wg.Go(func() {
			for time.Now().Before(end) {
				began := time.Now()
				if err := s.toAs("caller "+strconv.Itoa(caller), int32(1+caller%2)); err != nil {
					s.Error(err)
				}
				mu.Lock()
				calls, longest = calls+1, max(longest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	return calls, longest
}

func keepRate(s *stage) {
	for b := range int32(3) {
		s.kafka.Network(b).Delay(near)
		s.check(s.to(b))
	}
	before, longestBefore := s.rate()
	s.slowDown()
	for range 100 {
		s.check(s.queue(0))
	}
	during, longest := s.rate()
	if 10*during < 9*before || longest > longestBefore+near {
		s.Errorf("%d calls in 3 s, at most %v each; with one slow broker %d, at most %v", before, longestBefore, during, longest)
	}
	s.healAll()
}

func (s *stage) healAll() {
	s.T.Helper()
	for b := range int32(3) {
		s.check(s.kafka.Network(b).Heal())
	}
	s.flush()
	s.expectAcked()
}

func ownShare(s *stage) {
	s.slowDown()
	refused := 0
	for range 300 {
		if err := s.queue(0); errors.Is(err, ekaf.ErrFull) {
			refused++
		} else {
			s.check(err)
		}
	}
	if refused < 200 {
		s.Errorf("%d of 300 messages to the slow broker were refused: it may hold 50", refused)
	}
	for i := range 300 {
		s.check(s.to(int32(1 + i%2)))
	}
	s.healAll()
}

func ownShareBlocking(s *stage) {
	s.slowDown()
	var waiting sync.WaitGroup
	for caller := range 10 {
		waiting.Go(func() {
			for range 30 {
				if err := s.queueAs("caller "+strconv.Itoa(caller), 0); err != nil {
					s.Error(err)
				}
			}
		})
	}
	time.Sleep(time.Second)
	began := time.Now()
	for i := range 300 {
		s.check(s.to(int32(1 + i%2)))
	}
	if took := time.Since(began); took > far/2 {
		s.Errorf("300 calls to the others took %v", took)
	}
	waiting.Wait()
	s.healAll()
}

// avoided: keyless messages turn to the brokers that keep up. What went to the slow
// one before that was known stays there.
func avoided(s *stage) {
	s.slowDown()
	for range 50 {
		_ = s.queue(0) // its backlog is what tells; some may be refused
	}
	placed := map[int32]int{}
	for range 400 {
		m := s.message("")
		receipt, err := s.producer.ProduceAsyncBatched(s.Context(), s.topic, m.Message)
		s.check(err)
		placed[receipt.Partition]++
		time.Sleep(time.Millisecond)
	}
	if placed[0] > 400/10 {
		s.Errorf("%d of 400 messages without a key went to the slow broker: %v", placed[0], placed)
	}
	s.healAll()
}

func catchUp(s *stage) {
	s.slowDown()
	for range 200 {
		s.check(s.queue(0))
		time.Sleep(100 * time.Millisecond)
	}
	s.healAll()
}

// TestSlowBroker: P7, with one broker of three that answers after 30 s.
func TestSlowBroker(t *testing.T) { play(t, slowBrokers()) }
