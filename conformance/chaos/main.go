package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// command is the program: it answers the exit code.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	s, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintf(stderr, "chaos: %v\n", err)
		return 2
	}
	figures, err := conduct(ctx, s, stdout)
	if figures != nil {
		if line, failed := json.Marshal(figures); failed == nil {
			fmt.Fprintf(stdout, "%s\n", line)
		}
	}
	if err != nil {
		fmt.Fprintf(stderr, "chaos: %v\n", err)
		return 1
	}
	return 0
}

// conduct does what the settings ask for, and answers its figures.
func conduct(ctx context.Context, s settings, stdout io.Writer) (figures any, err error) {
	c, err := s.open(ctx, stdout)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if s.outage > 0 {
		return outage(ctx, s, c, stdout)
	}
	return chaos(ctx, s, c, stdout)
}
