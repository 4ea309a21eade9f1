package suite

import (
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestLeaderHint: a broker that leads a partition no more names the new leader in
// its answer (KIP-951), and that is enough: here nobody answers for metadata.
func TestLeaderHint(t *testing.T) {
	c := startEmbedded(t)
	trial := newTrial(t, c)
	f := newFlow(trial, trial.topic(1, nil))
	p := trial.producer(ekaf.MetadataRefresh(never))
	_, err := p.ProduceSync(trial.ctx, f.topic, f.message(1, "k"))
	trial.check(err)
	silent := c.Inject(ekaftest.Fault{API: kmsg.Metadata, Lose: ekaftest.LoseRequest, Times: -1})
	for _, leader := range []int{2, 1, 0} {
		trial.check(c.MoveLeader(trial.ctx, f.topic, 0, leader))
		_, err := p.ProduceSync(trial.ctx, f.topic, f.message(1, "k"), f.message(1, "k"))
		trial.check(err)
	}
	silent.Remove()
	trial.flush(p)
	f.verify(rules{keyed: true, offsets: true})
}
