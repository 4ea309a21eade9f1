package ekaftest_test

import (
	"slices"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/ekaftest/identity"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// A producer tested on a broker that hides losses is not tested. kfake, whose
// logs these are, differs from Kafka in five ways that do; each is corrected in
// front of it. The rows are those of the identity table that only pass so.
func TestRule22TheBrokerHidesNoLosses(t *testing.T) {
	hours := [2]time.Duration{24 * time.Hour, 10 * time.Minute}
	seconds := [2]time.Duration{5 * time.Second, time.Second}
	for _, fault := range []struct {
		name   string
		expiry [2]time.Duration
		rows   []string
	}{
		{"of a partition listed twice one copy is written", hours, []string{
			"a partition listed twice: the first is lost in silence"}},
		{"ids are forgotten by record timestamp", seconds, []string{
			"old records are remembered until the next check",
			"records from the future are remembered",
			"expired: the second batch is written again"}},
		{"ids of old records are forgotten by a restart", hours, []string{
			"a restart forgets ids of old records"}},
		{"sequences wrap behind 2147483647", hours, []string{
			"sequences wrap to 0", "a batch may straddle the wrap"}},
		{"an empty log takes a first sequence above 0", hours, []string{
			"no state: a later batch gets in and shuts the first one out",
			"a first batch at any epoch and sequence"}},
	} {
		t.Run(fault.name, func(t *testing.T) {
			target := tableTarget{release: identity.Release{Major: 4, Minor: 4}, expiry: fault.expiry}
			for _, name := range fault.rows {
				i := slices.IndexFunc(identity.Cases(), func(c identity.Case) bool { return c.Name == name })
				if i < 0 {
					t.Fatalf("the table has no row %q", name)
				}
				if !target.run(t, identity.Cases()[i]) {
					t.Errorf("row %q does not apply here", name)
				}
			}
		})
	}
	t.Run("an id has an epoch per partition", epochsPerPartition)
	t.Run("NOT_LEADER may come after the append", notLeaderAfterAppend)
}

// numbered is a batch of three records under id 7.
func numbered(epoch int16, sequence int32) []byte {
	return customBatch([]string{"a", "b", "c"}, time.Now(), func(b *kmsg.RecordBatch) {
		b.ProducerID, b.ProducerEpoch, b.FirstSequence = 7, epoch, sequence
	})
}

// The rows have one partition each. With one epoch per id, partition 1 would be
// fenced (47) by what was written to partition 0.
func epochsPerPartition(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 2))
	cl := client(t, c)
	for _, step := range []struct {
		partition int32
		epoch     int16
		sequence  int32
		code      int16
		offset    int64
	}{
		{0, 0, 0, 0, 0}, {1, 0, 0, 0, 0},
		{0, 1, 0, 0, 3},  // bumped there
		{1, 0, 3, 0, 3},  // and here it goes on
		{1, 0, 3, 0, 3},  // known here
		{0, 0, 3, 47, 0}, // fenced there
	} {
		got := produceRawTo(t, cl, step.partition, 9, numbered(step.epoch, step.sequence))
		if got.ErrorCode != step.code || step.code == 0 && got.BaseOffset != step.offset {
			t.Errorf("partition %d, epoch %d, sequence %d: got %d at %d, want %d at %d", step.partition, step.epoch,
				step.sequence, got.ErrorCode, got.BaseOffset, step.code, step.offset)
		}
	}
}

// A leader that is voted out before its followers have the batch answers 6, and
// the batch is in the log of the next one all the same: an error answer is no
// proof, and a resend finds the first copy.
func notLeaderAfterAppend(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	cl := client(t, c)
	c.Inject(ekaftest.Fault{Code: 6, AfterWrite: true})
	if got := produceRaw(t, cl, 9, numbered(0, 0)); got.ErrorCode != 6 {
		t.Fatalf("got %d, want 6", got.ErrorCode)
	}
	if seen, err := c.Consume("events"); err != nil || len(seen) != 3 {
		t.Errorf("%d messages (%v) behind the answer 6, want 3", len(seen), err)
	}
	if got := produceRaw(t, cl, 9, numbered(0, 0)); got.ErrorCode != 0 || got.BaseOffset != 0 {
		t.Errorf("sent again: got %d at %d, want the first copy's offset 0", got.ErrorCode, got.BaseOffset)
	}
}
