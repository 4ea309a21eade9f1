package suite

import (
	"fmt"
	"strings"

	"github.com/ekaf-go/ekaf"
)

// factor is an option with the values it is tried with.
type factor []setting

type setting struct {
	name    string
	options []ekaf.Option
	needs   Capability
	verb    int
	keyed   bool // messages of one key stay together
	silent  bool // acks carry no offset
	early   bool // acks come before consumers can see the messages
}

func factors() []factor {
	var byVerb factor
	for i, v := range verbs {
		byVerb = append(byVerb, setting{name: v.name, verb: i})
	}
	var byCodec factor
	for _, c := range codecs {
		byCodec = append(byCodec, setting{name: c.String(), options: []ekaf.Option{ekaf.Compression(c)}, needs: codecNeeds(c)})
	}
	return []factor{
		byVerb,
		strategies(),
		byCodec,
		{
			{name: "idempotent", options: []ekaf.Option{ekaf.Acks(ekaf.AcksAll), ekaf.Idempotence(true)}, needs: RecordBatches},
			{name: "acks=all", options: []ekaf.Option{ekaf.Acks(ekaf.AcksAll), ekaf.Idempotence(false)}},
			{name: "acks=1", options: []ekaf.Option{ekaf.Acks(ekaf.AcksLeader)}, early: true},
			{name: "acks=0", options: []ekaf.Option{ekaf.Acks(ekaf.AcksNone)}, silent: true, early: true},
		},
		{
			{name: "1 worker", options: []ekaf.Option{ekaf.Workers(1)}},
			{name: "3 workers", options: []ekaf.Option{ekaf.Workers(3)}},
		},
		{
			{name: "shared", options: []ekaf.Option{ekaf.ConnectionsPer(ekaf.PerBroker)}},
			{name: "connection per worker", options: []ekaf.Option{ekaf.ConnectionsPer(ekaf.PerWorker)}},
		},
		{
			{name: "batches of 7", options: []ekaf.Option{ekaf.BatchRecords(7)}},
			{name: "any batch"},
		},
	}
}

func strategies() factor {
	strategy := func(s ...ekaf.Selector) []ekaf.Option { return []ekaf.Option{ekaf.Strategy(s...)} }
	byLength := ekaf.Custom(func(_ string, key, _ []byte, partitions int) int {
		if key == nil {
			return ekaf.AnyPartition
		}
		return len(key) % partitions
	})
	return factor{
		{name: "ByKey", options: strategy(ekaf.ByKey()), keyed: true},
		{name: "Phash2", options: strategy(ekaf.Phash2(), ekaf.StrictRoundRobin()), keyed: true},
		{name: "Custom", options: strategy(byLength, ekaf.Random()), keyed: true},
		{name: "Adaptive", options: strategy(ekaf.Adaptive())},
		{name: "Random", options: strategy(ekaf.Random())},
		{name: "StickyRoundRobin", options: strategy(ekaf.StickyRoundRobin(5))},
		{name: "StrictRoundRobin", options: strategy(ekaf.StrictRoundRobin())},
	}
}

// combinations: every two values of two options work together.
func combinations(t *Trial) {
	all := factors()
	var sizes []int
	for _, f := range all {
		sizes = append(sizes, len(f))
	}
	for i, row := range pairs(sizes...) {
		var names []string
		var options []ekaf.Option
		var v verb
		want := rules{offsets: true}
		supported := true
		for f, value := range row {
			s := all[f][value]
			names = append(names, s.name)
			options = append(options, s.options...)
			supported = supported && t.Cluster.Can()&s.needs == s.needs
			want.keyed = want.keyed || s.keyed
			want.offsets = want.offsets && !s.silent
			want.early = want.early || s.early
			if f == 0 {
				v = verbs[s.verb]
			}
		}
		if !supported {
			continue
		}
		t.each(fmt.Sprintf("%d %s", i, strings.Join(names, ", ")), func(t *Trial) {
			f := newFlow(t, t.topic(3, nil))
			p := t.producer(options...)
			f.feed(p, 1, v, 60)
			t.flush(p)
			f.verify(want)
		})
	}
}
