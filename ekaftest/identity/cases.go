package identity

import (
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var (
	modern    = Needs{Since: Release{2, 8}}
	ancient   = Needs{Until: Release{0, 11}}
	expiring  = Needs{Since: Release{3, 9}, Expiry: true}
	describes = Needs{Since: Release{2, 8}, API: kmsg.DescribeProducers}
	byID      = Needs{API: kmsg.Produce, Version: 13}
	three     = Needs{Since: Release{2, 8}, Brokers: 3}
)

// Cases answers the whole table.
func Cases() []Case {
	return slices.Concat(lostAcks(), boundaries(), restarts(), leaderChanges(), expiries(),
		deletions(), describing(), epochs(), gaps(), wraps(), acks(), requestShapes())
}

func lostAcks() []Case {
	cases := []Case{
		{"the last batch again", Needs{}, nil, []Step{write(1, 5), resend(5, 5, 0), logOf(5)}},
		{"the last five batches again", modern, nil, []Step{write(1, 5), resend(1, 5, 0), logOf(5)}},
		{"the second last batch again, one remembered", ancient, nil, []Step{write(1, 5), resend(4, 5, 1), logOf(5)}},
		{"the sixth last batch is out of order", modern, nil, []Step{write(1, 6), resend(1, 1, 1), write(7, 7), logOf(7)}},
		{"eight of nine written, nine again", modern, nil, []Step{write(1, 8), resend(1, 9, 3), logOf(9)}},
		{"eight of nine written, nine again, one remembered", ancient, nil, []Step{write(1, 8), resend(1, 9, 7), logOf(9)}},
		{"by Produce version 12", Needs{API: kmsg.Produce, Version: 12}, nil, []Step{
			with(write(1, 5), func(b *Batch) { b.Version = 12 }),
			with(resend(1, 5, 0), func(b *Batch) { b.Version = 12 }), logOf(5)}},
		{"by topic id, Produce version 13", byID, nil, []Step{
			with(write(1, 5), func(b *Batch) { b.Version = 13 }),
			with(resend(1, 5, 0), func(b *Batch) { b.Version = 13 }), logOf(5)}},
	}
	for _, k := range []int32{1, 2, 3, 5} {
		cases = append(cases, Case{fmt.Sprintf("%d of five written, five again", k), modern, nil,
			[]Step{write(1, k), resend(1, 5, 0), logOf(5)}})
	}
	return cases
}

func boundaries() []Case {
	var cut []Step
	for _, c := range []Batch{
		{Sequence: 3, Count: 4}, {Sequence: 3, Count: 2}, {Sequence: 4, Count: 2},
		{Sequence: 0, Count: 6}, {Sequence: 5, Count: 3},
	} {
		cut = append(cut, send(c, code(outOfOrderSequence)))
	}
	second := func(change func(*Batch)) Batch { x := b(2); change(&x); return x }
	return []Case{
		{"other boundaries are out of order", Needs{}, nil, slices.Concat([]Step{write(1, 2)}, cut, []Step{write(3, 3), logOf(3)})},
		{"again with another timestamp", Needs{}, nil, []Step{write(1, 2), send(second(func(b *Batch) { b.Ahead = -time.Minute }), ok(3)), logOf(2)}},
		{"again with another codec", Needs{}, nil, []Step{write(1, 2), send(second(func(b *Batch) { b.Gzip = true }), ok(3)), logOf(2)}},
		{"other records under used sequences are dropped in silence", Needs{}, nil, []Step{
			write(1, 2), send(second(func(b *Batch) { b.Payload = "new" }), ok(3)), logOf(2), write(3, 3)}},
		{"the CRC is checked before the sequence", Needs{}, nil, []Step{
			write(1, 2), send(second(func(b *Batch) { b.BadCRC = true }), code(corruptMessage)), logOf(2)}},
		{"the size is checked before the sequence", modern, nil, []Step{
			write(1, 2), {Do: Configure, Config: "max.message.bytes", Value: "70"},
			send(b(2), code(messageTooLarge)),
			{Do: Configure, Config: "max.message.bytes", Value: "1048588"}, resend(2, 2, 0), logOf(2)}},
	}
}

func restarts() []Case {
	return []Case{
		{"a restart leaves the last batch", Needs{}, nil, []Step{
			write(1, 5), {Do: Restart}, resend(1, 5, 4), write(6, 6), logOf(6)}},
		{"a restart leaves the last of three", Needs{}, nil, []Step{
			write(1, 3), {Do: Restart}, resend(1, 3, 2), write(4, 4), logOf(4)}},
		{"a restart, then new batches, then again", modern, nil, []Step{
			write(1, 5), {Do: Restart}, write(6, 7), resend(4, 7, 1), logOf(7)}},
		{"a restart forgets ids of old records", Needs{Since: Release{3, 9}}, nil, []Step{
			with(write(1, 5), func(b *Batch) { b.Ahead = -25 * time.Hour }), {Do: Restart},
			with(send(b(5), ok(15)), func(b *Batch) { b.Ahead = -25 * time.Hour })}},
	}
}

func leaderChanges() []Case {
	return []Case{
		{"a follower remembers all five", three, nil, []Step{
			write(1, 5), {Do: FailOver}, resend(1, 5, 0), write(6, 6), {Do: FailBack}, logOf(6)}},
		{"the old leader returns with its last batch and what it missed", three, nil, []Step{
			write(1, 5), {Do: FailOver}, write(6, 6), {Do: FailBack}, resend(2, 6, 3), logOf(6)}},
	}
}

func expiries() []Case {
	aged := func(d time.Duration) func(*Batch) { return func(b *Batch) { b.Ahead = d } }
	hour := aged(-time.Hour)
	return []Case{
		{"expired: the second batch is written again", expiring, nil, []Step{
			write(1, 2), {Do: AwaitExpiry}, send(b(2), ok(6)), read(b(1), b(2), b(2))}},
		{"expired: all is written again", expiring, nil, []Step{
			write(1, 2), {Do: AwaitExpiry}, send(b(1), ok(6)), send(b(2), ok(9)), read(b(1), b(2), b(1), b(2))}},
		{"expired: safe again once one is written", expiring, nil, []Step{
			write(1, 2), {Do: AwaitExpiry}, send(b(3), ok(6)), resend(2, 2, 1), logOf(3)}},
		{"old records are remembered until the next check", expiring, nil, []Step{
			with(write(1, 1), hour), with(resend(1, 1, 0), hour), {Do: AwaitCheck}, with(send(b(1), ok(3)), hour)}},
		{"LogAppendTime counts the broker's own clock", expiring, map[string]string{"message.timestamp.type": "LogAppendTime"}, []Step{
			with(write(1, 1), hour), {Do: AwaitCheck}, with(resend(1, 1, 0), hour)}},
		{"records from the future are remembered", expiring, nil, []Step{
			with(write(1, 1), aged(50*time.Minute)), {Do: AwaitExpiry}, with(resend(1, 1, 0), aged(50*time.Minute))}},
	}
}

func deletions() []Case {
	other := Batch{Producer: "other", Sequence: 0, Count: 3}
	return []Case{
		{"records deleted, broker up: remembered", modern, nil, []Step{
			write(1, 5), {Do: DeleteRecords, Offset: -1}, resend(1, 5, 0), read()}},
		{"all records deleted, restart: forgotten", modern, nil, []Step{
			write(1, 2), {Do: DeleteRecords, Offset: -1}, {Do: Restart}, send(b(2), ok(6)), read(b(2))}},
		{"own records deleted, others remain, restart: the last one", modern, nil, []Step{
			write(1, 5), send(other, ok(15)), {Do: DeleteRecords, Offset: 15}, {Do: Restart}, resend(4, 5, 1), read(other)}},
		{"topic deleted", Needs{}, nil, []Step{write(1, 1), {Do: DeleteTopic}, send(b(2), code(unknownTopic))}},
		{"topic recreated: forgotten, any sequence goes", modern, nil, []Step{
			write(1, 5), {Do: Recreate}, send(b(6), ok(0)), read(b(6))}},
		{"topic recreated: must begin at 0", ancient, nil, []Step{
			write(1, 5), {Do: Recreate}, send(b(6), code(outOfOrderSequence)), read()}},
		{"topic recreated: the old id is unknown", byID, nil, []Step{
			with(write(1, 1), func(b *Batch) { b.Version = 13 }), {Do: Recreate},
			with(send(b(2), code(unknownTopicID)), func(b *Batch) { b.Version, b.OldID = 13, true }),
			with(send(b(2), ok(0)), func(b *Batch) { b.Version = 13 }), read(b(2))}},
	}
}

func describing() []Case {
	expires := expiring
	expires.API = kmsg.DescribeProducers
	old := b(1)
	old.Ahead = -30 * time.Minute
	bumped := Batch{Epoch: 1, Count: 2}
	return []Case{
		{"DescribeProducers tells the last sequence", describes, nil, []Step{
			describe(b(1), Producer{Absent: true}), write(1, 2), describe(b(1), Producer{LastSequence: 5}),
			send(bumped, ok(6)), describe(b(1), Producer{Epoch: 1, LastSequence: 1})}},
		{"DescribeProducers tells the largest timestamp", describes, nil, []Step{
			send(old, ok(0)), describe(old, Producer{LastSequence: 2, Ahead: -30 * time.Minute})}},
		{"DescribeProducers survives a restart", describes, nil, []Step{
			write(1, 5), {Do: Restart}, describe(b(1), Producer{LastSequence: 14})}},
		{"DescribeProducers does not name expired ids", expires, nil, []Step{
			write(1, 1), {Do: AwaitExpiry}, describe(b(1), Producer{Absent: true})}},
	}
}

func epochs() []Case {
	at := func(epoch int16, seq int32) Batch { return Batch{Epoch: epoch, Sequence: seq, Count: 3} }
	return []Case{
		{"a new epoch begins at 0", Needs{}, nil, []Step{
			write(1, 1), send(at(1, 3), code(outOfOrderSequence)), send(at(1, 0), ok(3)), send(at(1, 0), ok(3)),
			send(at(1, 3), ok(6)), read(b(1), at(1, 0), at(1, 3))}},
		{"an old epoch is fenced, written or not", Needs{}, nil, []Step{
			write(1, 2), send(at(1, 0), ok(6)), send(b(2), code(invalidEpoch)), send(b(3), code(invalidEpoch))}},
		{"epochs may jump", Needs{}, nil, []Step{
			write(1, 1), send(at(5, 0), ok(3)), send(at(32767, 0), ok(6)), send(at(0, 0), code(invalidEpoch))}},
		{"a first batch at any epoch", Needs{}, nil, []Step{send(at(4, 0), ok(0)), read(at(4, 0))}},
		{"a first batch at any epoch and sequence", modern, nil, []Step{send(at(4, 9), ok(0)), read(at(4, 9))}},
		{"two ids do not mind each other", Needs{}, nil, []Step{
			write(1, 1), send(Batch{Producer: "other", Count: 3}, ok(3)), resend(1, 1, 0),
			send(Batch{Producer: "other", Count: 3}, ok(3)), send(b(2), ok(6))}},
	}
}

func gaps() []Case {
	return []Case{
		{"a gap is out of order and heals", Needs{}, nil, []Step{
			write(1, 1), send(b(3), code(outOfOrderSequence)), write(2, 3), logOf(3)}},
		{"no state: a later batch gets in and shuts the first one out", modern, nil, []Step{
			send(b(2), ok(0)), send(b(1), code(outOfOrderSequence)), read(b(2))}},
		{"no state: must begin at 0", ancient, nil, []Step{send(b(2), code(outOfOrderSequence)), write(1, 2), logOf(2)}},
	}
}

func wraps() []Case {
	const top = 2147483647
	last := Batch{Sequence: top - 2, Count: 3}
	straddling := Batch{Sequence: top - 1, Count: 5}
	next := Batch{Sequence: 3, Count: 3}
	return []Case{
		{"sequences wrap to 0", modern, nil, []Step{send(last, ok(0)), send(b(1), ok(3)), send(last, ok(0)), read(last, b(1))}},
		{"a batch may straddle the wrap", modern, nil, []Step{
			send(straddling, ok(0)), send(straddling, ok(0)), send(next, ok(5)), read(straddling, next)}},
		{"a negative sequence is invalid", modern, nil, []Step{
			send(last, ok(0)), send(Batch{Sequence: -2147483648, Count: 3}, code(invalidRecord))}},
	}
}

func acks() []Case {
	one := func(b *Batch) { b.Acks = 1 }
	silent := func(n int32, want Answer) Step {
		return with(send(b(n), want), func(b *Batch) { b.NoAcks = true })
	}
	return []Case{
		{"acks=1", Needs{}, nil, []Step{
			with(write(1, 2), one), with(resend(2, 2, 0), one),
			with(send(b(4), code(outOfOrderSequence)), one), logOf(2)}},
		{"acks=0: written, dropped, closed", Needs{}, nil, []Step{
			silent(1, Answer{None: true}), silent(1, Answer{None: true}), silent(3, Answer{Closed: true}), logOf(1)}},
	}
}

func requestShapes() []Case {
	raw := func(n int32) Batch { x := b(n); x.Version = 9; return x }
	return []Case{
		{"two batches in one partition's records", modern, nil, []Step{
			{Do: SendJoined, Batches: []Batch{b(1), b(2)}, Want: []Answer{code(invalidRecord)}},
			{Do: SendJoined, Batches: []Batch{raw(1), raw(2)}, Want: []Answer{code(invalidRecord)}}, read()}},
		{"a partition listed twice: the first is lost in silence", Needs{}, nil, []Step{
			{Do: SendTwice, Batches: []Batch{b(1), {Producer: "other", Count: 3}}, Want: []Answer{ok(0)}},
			read(Batch{Producer: "other", Count: 3})}},
	}
}
