package main

import (
	"context"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kerr"
)

// answers are the kinds that need brokers which answer as they are told.
func answers() []kind {
	return []kind{
		{name: "lost-answers", about: "requests are carried out, and connections cut instead of an answer", weight: 3, place: onEmbedded, begin: loseAnswers},
		{name: "codes", about: "batches are answered with a retriable error", weight: 3, place: onEmbedded, begin: codes},
		{name: "codes-written", about: "batches are written, then answered with a retriable error", weight: 3, place: onEmbedded, begin: codesWritten},
		{name: "throttle", about: "answers ask for a pause", weight: 1, place: onEmbedded, begin: throttle},
	}
}

func loseAnswers(_ context.Context, f *fault) (string, func(context.Context) error, error) {
	n := 1 + f.rand.IntN(8)
	f.brokers().LoseAnswers(n)
	return fmt.Sprintf("%d answers lost", n), nil, nil
}

// brokers are the embedded ones; kinds that use them are not planned elsewhere.
func (f *fault) brokers() *embedded { return f.run.cluster.(*embedded) }

func codes(_ context.Context, f *fault) (string, func(context.Context) error, error) {
	return f.inject(false, kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas,
		kerr.KafkaStorageError, kerr.FencedLeaderEpoch, kerr.UnknownTopicOrPartition)
}

func codesWritten(_ context.Context, f *fault) (string, func(context.Context) error, error) {
	return f.inject(true, kerr.NotLeaderForPartition, kerr.RequestTimedOut, kerr.NotEnoughReplicasAfterAppend)
}

func (f *fault) inject(written bool, choice ...*kerr.Error) (string, func(context.Context) error, error) {
	code := choice[f.rand.IntN(len(choice))]
	times := 1 + f.rand.IntN(20)
	injected := f.brokers().Inject(ekaftest.Fault{Topic: f.topic(), Code: code.Code, AfterWrite: written, Times: times})
	end := func(context.Context) error {
		injected.Remove()
		return nil
	}
	text := fmt.Sprintf("%d requests answered %s", times, code.Message)
	if written {
		text += " though written"
	}
	return text, end, nil
}

func throttle(_ context.Context, f *fault) (string, func(context.Context) error, error) {
	pause := time.Duration(1+f.rand.IntN(300)) * time.Millisecond
	f.brokers().Throttle(pause)
	end := func(context.Context) error {
		f.brokers().Throttle(0)
		return nil
	}
	return fmt.Sprintf("throttled by %v", pause), end, nil
}
