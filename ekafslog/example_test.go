package ekafslog_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekafslog"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// The program's log goes to Kafka; what does not get there, and the producer's
// own log, goes to standard error.
func Example() {
	kafka, err := ekaftest.New(ekaftest.Topic("logs", 1))
	if err != nil {
		panic(err)
	}
	defer kafka.Close()

	logs := ekafslog.New("logs", ekafslog.Fallback(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	logger := slog.New(logs)
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Logger(logger))
	if err != nil {
		panic(err)
	}
	if err := logs.Attach(p); err != nil {
		panic(err)
	}
	logger.With("app", "shop").Info("order", "items", 3)
	if err := p.Close(context.Background()); err != nil {
		panic(err)
	}
	seen, err := kafka.Consume("logs")
	fmt.Println(len(seen), err, logs.Stats().Acked)
	// Output: 1 <nil> 1
}
