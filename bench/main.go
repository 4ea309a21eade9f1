package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/httpload"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "broker":
			os.Exit(broker.Main(flag.NewFlagSet("bench broker", flag.ContinueOnError), os.Args[2:], os.Stdin, os.Stdout, os.Stderr))
		case "bare":
			served, stop := signal.NotifyContext(ctx, syscall.SIGTERM)
			defer stop()
			os.Exit(httpload.BareMain(served, os.Args[2:], os.Stderr))
		case "measure":
			if err := measureMain(ctx, os.Stdin, os.Stdout); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	if err := run(ctx, os.Args[1:]); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	p, tools, err := parse(args)
	if err != nil {
		return err
	}
	var done results
	if len(p.from) > 0 {
		done, err = p.replay()
	} else {
		h := &harness{plan: p, tools: tools}
		defer h.close(ctx)
		if err := h.open(ctx); err != nil {
			return err
		}
		done, err = h.run(ctx)
	}
	if err != nil {
		return err
	}
	return p.conclude(done)
}

// conclude prints and writes what the results mean.
func (p *plan) conclude(done results) error {
	if p.judged {
		fmt.Println()
		if err := printVerdicts(os.Stdout, judge(p.suite, done)); err != nil {
			return err
		}
	}
	if p.doc != "" {
		if err := p.document(done); err != nil {
			return err
		}
	}
	if voids := done.voids(); voids > 0 {
		return fmt.Errorf("%d cells are void", voids)
	}
	return nil
}
