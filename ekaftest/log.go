package ekaftest

import (
	"slices"
	"sync"
	"time"
)

type topicPartition struct {
	topic     string
	partition int32
}

// partitionLog is what ekaftest adds to one partition of kfake: the identities
// of its batches, taken off before kfake sees them and put back whenever
// somebody reads, and the producer state of each replica.
type partitionLog struct {
	topicID [16]byte

	mu       sync.Mutex // held while a batch is checked and appended
	journal  []appended // by base offset
	replicas []*replica // by broker id
}

// logs is the logs of a cluster.
type logs struct {
	mu  sync.Mutex
	all map[topicPartition]*partitionLog
}

// log answers a partition's log, a fresh one if the topic was created again.
func (c *Cluster) log(topic string, topicID [16]byte, partition int32) *partitionLog {
	c.logs.mu.Lock()
	defer c.logs.mu.Unlock()
	tp := topicPartition{topic, partition}
	l := c.logs.all[tp]
	if l == nil || l.topicID != topicID {
		l = &partitionLog{topicID: topicID}
		now := time.Now()
		for _, b := range c.brokers {
			l.replicas = append(l.replicas, newReplica(now, b.isRunning()))
		}
		c.logs.all[tp] = l
	}
	return l
}

// known answers the log of a partition if anything was written to it.
func (c *Cluster) known(topic string, partition int32) *partitionLog {
	c.logs.mu.Lock()
	defer c.logs.mu.Unlock()
	return c.logs.all[topicPartition{topic, partition}]
}

// record takes a batch into the journal and into every running replica. The
// caller holds mu.
func (l *partitionLog) record(a appended, window int) {
	l.journal = append(l.journal, a)
	if a.producerID < 0 {
		// Of interest to readers only (LogAppendTime).
		for _, r := range l.replicas {
			if r.up {
				r.applied++
			}
		}
		return
	}
	for _, r := range l.replicas {
		if r.up {
			r.apply(a, window)
		}
	}
}

// at answers the journal's entry for the batch at an offset.
func (l *partitionLog) at(baseOffset int64) (appended, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i, found := slices.BinarySearchFunc(l.journal, baseOffset, func(a appended, off int64) int {
		return int(min(max(a.baseOffset-off, -1), 1))
	})
	if !found {
		return appended{}, false
	}
	return l.journal[i], true
}

// stopReplicas and startReplicas follow a broker that stops and starts: a
// stopped replica misses what is written meanwhile and replays it at start.
func (c *Cluster) stopReplicas(broker int32) {
	c.eachLog(func(_ topicPartition, l *partitionLog) { l.replicas[broker].up = false })
}

func (c *Cluster) startReplicas(broker int32) {
	now := time.Now()
	c.eachLog(func(tp topicPartition, l *partitionLog) {
		info := c.kafka().partition(tp.topic, tp.partition)
		r := l.replicas[broker]
		if r.up || info == nil {
			return
		}
		r.restart(now, c.cfg.expiry, info.LogStartOffset == info.HighWatermark)
		for _, a := range l.journal[min(r.applied, len(l.journal)):] {
			if a.producerID >= 0 {
				r.apply(a, c.producerRules.window)
			} else {
				r.applied++
			}
		}
	})
}

func (c *Cluster) eachLog(fn func(topicPartition, *partitionLog)) {
	c.logs.mu.Lock()
	all := make(map[topicPartition]*partitionLog, len(c.logs.all))
	for tp, l := range c.logs.all {
		all[tp] = l
	}
	c.logs.mu.Unlock()
	for tp, l := range all {
		l.mu.Lock()
		fn(tp, l)
		l.mu.Unlock()
	}
}
