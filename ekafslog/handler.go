package ekafslog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync/atomic"

	"github.com/ekaf-go/ekaf"
)

// ErrNotAttached: the handler has no producer yet.
var ErrNotAttached = errors.New("the log's handler is not attached to a producer yet")

// Option sets one thing of a Handler.
type Option func(*options)

type options struct {
	level    slog.Leveler
	encoder  func(w io.Writer) slog.Handler
	fallback slog.Handler
}

// Level is the least level that is logged. Default slog.LevelInfo. It has no
// effect on an Encoder of one's own, which decides by itself.
func Level(l slog.Leveler) Option { return func(o *options) { o.level = l } }

// Encoder makes the handler that turns records into messages: it must write each
// record with one Write, and return that Write's error, as those of log/slog do;
// each Write becomes a message.
// Default: slog.NewJSONHandler.
func Encoder(encoder func(w io.Writer) slog.Handler) Option {
	return func(o *options) { o.encoder = encoder }
}

// Fallback gets the records that do not go to Kafka: a producer's own, those
// before Attach, and those that are dropped. It should not be slow, and must not
// lead back here. Default: none.
func Fallback(h slog.Handler) Option { return func(o *options) { o.fallback = h } }

// Handler implements slog.Handler. Make one with New. All methods may be called
// from any goroutine.
type Handler struct {
	log      *log
	encoder  slog.Handler
	fallback slog.Handler // nil: none
}

// log is what a handler shares with those derived from it.
type log struct {
	topic   string
	told    ekaf.Callback // outcome, made once
	target  atomic.Pointer[ekaf.TopicProducer]
	dropped atomic.Int64
	own     atomic.Int64
	acked   atomic.Int64
	failed  atomic.Int64
}

// Write is where the encoder's lines go, each in the call of the record that it
// stands for: a refusal gets back there through the encoder. Put aside and taken
// out once the encoder has returned, it could be taken by a call at the same time;
// if that one was then suspended, this one returned, and its goroutine's next
// record got to Kafka before it.
//
// An encoder writes with its own lock held. Nothing below comes back for it: what
// the producer logs itself goes no further than Handle, and hooks and callbacks
// run on goroutines of the producer's, but for a Custom strategy of this topic.
func (l *log) Write(line []byte) (int, error) {
	target := l.target.Load()
	if target == nil { // an encoder that has something to say before any record
		return 0, ErrNotAttached
	}
	// Without the caller's context: it may be over, and may carry anything.
	message := ekaf.Value(bytes.TrimSuffix(line, []byte("\n"))).Then(l.told)
	if err := target.ProduceAsync(context.Background(), message); err != nil {
		l.dropped.Add(1)
		return 0, err
	}
	return len(line), nil
}

// New makes a handler for a topic. It has no producer until Attach is called, so
// that it can be a part of that producer's own logger.
func New(topic string, opts ...Option) *Handler {
	o := options{level: slog.LevelInfo}
	for _, set := range opts {
		set(&o)
	}
	if o.encoder == nil {
		o.encoder = func(w io.Writer) slog.Handler {
			return slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.level})
		}
	}
	l := &log{topic: topic}
	l.told = l.outcome
	return &Handler{log: l, encoder: o.encoder(l), fallback: o.fallback}
}

// Attach gives the handler, and all derived from it, their producer. It refuses a
// topic whose name is not valid, and one whose async verbs wait for room (the
// option WhenFull(Block)): a logger must not wait.
func (h *Handler) Attach(p *ekaf.Producer) error {
	topic, err := p.Topic(h.log.topic)
	if err != nil {
		return fmt.Errorf("cannot log to %q: %w", h.log.topic, err)
	}
	if async, _ := topic.WhenFull(); async == ekaf.Block {
		return fmt.Errorf("cannot log to %q: its calls would wait when the buffer is full: give it Topic(%q, WhenFullAsync(Error))",
			h.log.topic, h.log.topic)
	}
	h.log.target.Store(topic)
	return nil
}

// Stats are the records counted since New.
type Stats struct {
	Acked   int64 // in Kafka
	Failed  int64 // accepted by the producer and given up later
	Dropped int64 // not accepted: no room, closed, not attached, too large
	Own     int64 // of a producer's own log, never sent
}

// Stats says what became of the records.
func (h *Handler) Stats() Stats {
	l := h.log
	return Stats{Acked: l.acked.Load(), Failed: l.failed.Load(), Dropped: l.dropped.Load(), Own: l.own.Load()}
}

// Enabled implements slog.Handler: the encoder decides.
func (h *Handler) Enabled(ctx context.Context, level slog.Level) bool {
	return h.encoder.Enabled(ctx, level)
}

// Handle implements slog.Handler. It never waits; an error says that the record
// was dropped. A context that is over does not matter: it is that of a request,
// whose log is wanted all the same.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if ekaf.OwnLog(ctx) {
		h.log.own.Add(1)
		return h.fall(ctx, r)
	}
	if h.log.target.Load() == nil {
		h.log.dropped.Add(1)
		return errors.Join(ErrNotAttached, h.fall(ctx, r))
	}
	if err := h.encoder.Handle(ctx, r); err != nil {
		return errors.Join(fmt.Errorf("cannot log to %q: %w", h.log.topic, err), h.fall(ctx, r))
	}
	return nil
}

// outcome counts what became of an accepted record.
func (l *log) outcome(_ ekaf.Ack, err error) {
	if err != nil {
		l.failed.Add(1)
	} else {
		l.acked.Add(1)
	}
}

func (h *Handler) fall(ctx context.Context, r slog.Record) error {
	if h.fallback == nil || !h.fallback.Enabled(ctx, r.Level) {
		return nil
	}
	return h.fallback.Handle(ctx, r.Clone())
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.derive(func(of slog.Handler) slog.Handler { return of.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return h.derive(func(of slog.Handler) slog.Handler { return of.WithGroup(name) })
}

func (h *Handler) derive(with func(slog.Handler) slog.Handler) slog.Handler {
	derived := &Handler{log: h.log, encoder: with(h.encoder)}
	if h.fallback != nil {
		derived.fallback = with(h.fallback)
	}
	return derived
}
