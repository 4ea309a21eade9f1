package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// embeddedStage is a broker of our own, which is really stopped.
type embeddedStage struct {
	broker *ekaftest.Cluster
	topic  string
	tell   *narrator
}

func newEmbeddedStage(topic string, tell *narrator) (stage, error) {
	broker, err := ekaftest.New(ekaftest.Topic(topic, 1))
	if err != nil {
		return nil, fmt.Errorf("cannot start the embedded broker: %w", err)
	}
	tell.say("broker up on %s", strings.Join(broker.Addrs(), ","))
	return &embeddedStage{broker, topic, tell}, nil
}

func (s *embeddedStage) options() []ekaf.Option {
	return []ekaf.Option{ekaf.Brokers(s.broker.Addrs()...)}
}

func (s *embeddedStage) stop() error {
	s.tell.say("broker down")
	s.broker.Stop()
	return nil
}

func (s *embeddedStage) start() error {
	s.tell.say("broker up again")
	if err := s.broker.Restart(); err != nil {
		return fmt.Errorf("cannot start the broker again: %w", err)
	}
	return nil
}

func (s *embeddedStage) read(context.Context, int) ([]string, error) {
	messages, err := s.broker.Consume(s.topic)
	if err != nil {
		return nil, fmt.Errorf("cannot read the topic back: %w", err)
	}
	values := make([]string, len(messages))
	for i, m := range messages {
		values[i] = string(m.Value)
	}
	return values, nil
}

func (s *embeddedStage) mark() []byte { return []byte("embedded") }

func (s *embeddedStage) close() { s.broker.Close() }
