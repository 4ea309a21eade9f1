package ekaf

import (
	"context"
	"log/slog"
)

// ownLogKey marks the context of a record that a producer logged.
type ownLogKey struct{}

// OwnLog reports whether a slog.Handler got this context with a record of a
// producer's own log (see Logger). A handler that writes to Kafka must not send
// such records there: a producer that logs what it sends would have ever more to
// send. Handlers in between have to pass the context on.
func OwnLog(ctx context.Context) bool {
	own, _ := ctx.Value(ownLogKey{}).(bool)
	return own
}

// ownHandler marks records on their way to the user's handler.
type ownHandler struct{ slog.Handler }

func markOwn(l *slog.Logger) *slog.Logger { return slog.New(ownHandler{l.Handler()}) }

func (h ownHandler) Handle(ctx context.Context, r slog.Record) error {
	return h.Handler.Handle(context.WithValue(ctx, ownLogKey{}, true), r)
}

func (h ownHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return ownHandler{h.Handler.WithAttrs(attrs)}
}

func (h ownHandler) WithGroup(name string) slog.Handler { return ownHandler{h.Handler.WithGroup(name)} }
