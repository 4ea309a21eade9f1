package ekaf

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/worker"
)

// assumedExpiry is when brokers forget a producer id where they do not say: Kafka's
// default. Where they say more, no more than this is relied on.
const assumedExpiry = 24 * time.Hour

// assumedLifetime is the lifetime that goes with it.
var assumedLifetime = lifetimeOf(assumedExpiry)

// lifetimeOf is how old an id's last timestamp may be for a resend to be safe. Half
// of the expiry is left for clocks that differ, and for what the resend takes.
func lifetimeOf(expiry time.Duration) time.Duration { return min(expiry, assumedExpiry) / 2 }

// learnExpiry asks the brokers, once, when they forget producer ids. An
// administrator may have set less than the default, and what is sent again after
// that would be there twice.
func (p *Producer) learnExpiry() {
	expiry, err := p.cluster.ProducerExpiry(p.ctx)
	if err != nil {
		if p.ctx.Err() == nil {
			p.log.Info("brokers do not say when they forget producer ids", "assumed", assumedExpiry, "error", err)
		}
		return
	}
	p.lifetime.Store(lifetimeOf(expiry))
	if expiry < assumedExpiry {
		p.log.Info("brokers forget producer ids early", "after", expiry)
	}
}

// Doubt implements worker.Host: it asks the cluster what became of a lane's
// batches, on a goroutine of its own, for as long as that takes.
func (h *host) Doubt(l *worker.Lane, q worker.Question) {
	p := h.Producer
	p.background.Go(func() {
		finding, err := p.find(p.ctx, l, q)
		if err != nil {
			finding = worker.Finding{Undecidable: true, Err: fmt.Errorf("%w: %w", ErrUndecidable, err)}
		}
		l.Settle(q, finding)
	})
}

// LogEnd implements worker.Host. Until the answer the lane holds old records back,
// so it is not waited for without end; a lane that may not ask goes on without.
func (h *host) LogEnd(l *worker.Lane, number uint64) {
	p := h.Producer
	p.background.Go(func() {
		ctx, cancel := context.WithTimeout(p.ctx, l.Partition.Config().RequestTimeout)
		defer cancel()
		end, err := p.cluster.LogEnd(ctx, topicOf(l).name, l.Partition.ID)
		if err != nil {
			end = -1
		}
		l.Noted(number, end)
	})
}

// find asks the leader what it remembers, and then the log up to the high
// watermark, which alone says what is committed. While the leader holds batches
// in question that are not committed yet, it asks again: they may still be, or
// another leader may come without them. But where the log was cut, they may as
// well lie in what is gone, and never show: then that has an end.
func (p *Producer) find(ctx context.Context, l *worker.Lane, q worker.Question) (worker.Finding, error) {
	topic, partition := topicOf(l).name, l.Partition.ID
	var cut time.Time // since when they may lie in what is gone
	for l.Asks(q) {
		state, known, err := p.cluster.LastProducer(ctx, topic, partition, q.ID.Producer)
		if err != nil {
			return worker.Finding{}, err
		}
		known = known && state.Epoch == q.ID.Epoch
		alive := known && time.Since(state.LastTimestamp) < l.Partition.Config().Lifetime()
		if q.Reason == worker.DoubtOld && alive {
			return worker.Finding{Alive: true}, nil
		}
		if known && state.LastSequence == before(q.First) {
			return worker.Finding{Alive: alive}, nil // the leader took all before them, and none of them
		}
		found, err := p.cluster.ReadBack(ctx, topic, partition, q.From, q.ID.Producer, q.ID.Epoch)
		if err != nil {
			return worker.Finding{}, err
		}
		if !found.Undecidable {
			cut = time.Time{}
		} else if cut.IsZero() {
			cut = time.Now()
		}
		if holdsMore(known, state, found, q) && (cut.IsZero() || time.Since(cut) < commitWait) {
			if err := sleep(ctx, commitPause); err != nil {
				return worker.Finding{}, err
			}
			continue
		}
		return conclude(found, q), nil
	}
	return worker.Finding{}, nil // nobody waits for it any more
}

// commitPause is the wait before a leader is asked again about batches that it
// holds and has not committed.
const commitPause = 200 * time.Millisecond

// commitWait is how long it is asked where the log was cut. Replicas that are
// there need milliseconds to have a batch committed; what is deleted stays so.
const commitWait = 5 * time.Second

// holdsMore: the leader has taken a batch in question that the committed log does not show.
func holdsMore(known bool, state cluster.ProducerState, found cluster.Found, q worker.Question) bool {
	if !known || worker.Behind(q.First, state.LastSequence) {
		return false
	}
	return !found.Written || worker.Behind(state.LastSequence, found.LastSequence) && worker.Behind(q.Last, found.LastSequence)
}

// conclude reads what the log says.
func conclude(found cluster.Found, q worker.Question) (f worker.Finding) {
	cut := fmt.Errorf("%w: the log was cut behind offset %d", ErrUndecidable, q.From)
	switch {
	case found.Written:
		f.Found, f.Since, f.Through, f.Cut = true, found.FirstSequence, found.LastSequence, found.Cut
		f.Err = cut // of batches in front of those found
	case found.Undecidable:
		f.Undecidable, f.Err = true, cut
	case q.AckedEnd > found.LogEnd:
		f.Lost, f.LogEnd = true, found.LogEnd
		f.Err = fmt.Errorf("the log ends at offset %d, but records up to %d were acked", found.LogEnd, q.AckedEnd)
	case q.Reason == worker.DoubtGap && !q.Gap:
		f.Lost, f.LogEnd = true, found.LogEnd
		f.Err = errors.New("the leader knows less of this producer than it has acked")
	}
	return f
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// before is the sequence number in front of another, which wraps.
func before(sequence int32) int32 { return int32((uint32(sequence) - 1) & 0x7fffffff) }
