package suite

import (
	"fmt"
	"slices"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
)

// TestConsoleConsumer has Kafka's own console consumer read, for each codec, what
// ekaf wrote.
func TestConsoleConsumer(t *testing.T) {
	realkafka.SkipUnlessEnabled(t)
	c := startReal(t, realkafka.Config{Version: versions()[0]})
	for _, codec := range codecs {
		if needs := codecNeeds(codec); c.Can()&needs != needs {
			continue
		}
		t.Run(codec.String(), func(t *testing.T) {
			trial := newTrial(t, c)
			topic := trial.topic(1, nil)
			p := trial.producer(ekaf.Compression(codec))
			var want []string
			for i := range 500 {
				key, value := fmt.Sprint("key-", i%9), fmt.Sprint("value ", i, " of a text that compresses, compresses")
				want = append(want, key+"\t"+value)
				_, err := p.ProduceSyncBatched(trial.ctx, topic, ekaf.KeyValue(key, value))
				trial.check(err)
			}
			_, err := p.ProduceSync(trial.ctx, topic, ekaf.Tombstone("gone"))
			trial.check(err)
			want = append(want, "gone\tnull")
			got, err := c.ConsoleConsume(trial.ctx, topic, len(want))
			trial.check(err)
			if !slices.Equal(got, want) {
				t.Errorf("the console consumer prints %d lines, want %d; the first is %q", len(got), len(want), got[0])
			}
		})
	}
}
