package main

// figures are the last line of a run.
type figures struct {
	Seed       uint64           `json:"seed"`
	Kafka      string           `json:"kafka"`
	Brokers    int              `json:"brokers"`
	Workers    int              `json:"workers"`
	Seconds    float64          `json:"seconds"`
	Faults     int              `json:"faults"`
	Kinds      map[string]int   `json:"kinds"`
	Skipped    int              `json:"skipped"`
	Stalled    int              `json:"stalled_rounds"`
	Messages   int64            `json:"messages"`
	Acked      int64            `json:"acked"`
	Failed     int64            `json:"failed"`
	Maybe      int64            `json:"maybe_written"`
	MaybeThere int              `json:"maybe_written_there"`
	Refused    int64            `json:"refused"`
	Retries    int64            `json:"retries"`
	Failures   map[string]int64 `json:"failures"`
	Read       int              `json:"read"`
	Lost       int              `json:"lost"`
	Duplicated int              `json:"duplicated"`
	Reordered  int              `json:"reordered"`
	Shuffled   int              `json:"shuffled_in_call"`
	Moved      int              `json:"moved"`
	Misplaced  int              `json:"misplaced"`
	Unexpected int              `json:"unexpected"`
	Needless   int              `json:"needless"`
	NoOutcome  int              `json:"no_outcome"`
	Outcomes   int              `json:"several_outcomes"`
}

func (r *chaosRun) figures(v *verdict) *figures {
	counts := r.ledger.totals()
	out := &figures{
		Seed: r.settings.seed, Kafka: r.cluster.Name(), Brokers: r.settings.brokers, Workers: r.settings.workers,
		Seconds: r.line.now().Seconds(), Kinds: r.happened, Skipped: r.skipped, Stalled: r.stalled,
		Acked: counts[acked], Failed: counts[failed], Maybe: counts[maybe], Refused: counts[refused],
		MaybeThere: v.report.Maybe, Failures: r.ledger.causes, Needless: v.needless, Read: v.report.Read,
		Lost: v.report.Lost, Duplicated: v.report.Duplicated, Reordered: v.reordered, Shuffled: v.shuffled, Moved: v.moved, Misplaced: v.misplaced,
		Unexpected: v.report.Unexpected + v.report.Foreign + v.report.WrongKey, NoOutcome: v.missing, Outcomes: v.twice,
	}
	for _, n := range counts {
		out.Messages += n
	}
	for _, n := range r.happened {
		out.Faults += n
	}
	for _, one := range r.sources {
		out.Retries += one.producer.Stats().Retries
	}
	return out
}
