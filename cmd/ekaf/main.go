package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := withSignals(context.Background())
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the program without its process: it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	return exitCode(root.ExecuteContext(ctx), errOut)
}

// Exit codes, on which scripts rely.
const (
	exitDone  = 0
	exitSome  = 1 // some was not delivered, or not done
	exitUsage = 2
)

// failure is an error of a command that was used rightly.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

// ended is the exit code of a command that has said everything itself.
type ended int

func (e ended) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// exitCode prints what went wrong. What is no failure is a fault of usage: those
// come from cobra as plain errors.
func exitCode(err error, errOut io.Writer) int {
	if err == nil {
		return exitDone
	}
	if code, ok := errors.AsType[ended](err); ok {
		return int(code)
	}
	fmt.Fprintf(errOut, "ekaf: %v\n", err)
	if _, ok := errors.AsType[failure](err); ok {
		return exitSome
	}
	return exitUsage
}

type hardStop struct{}

// withSignals gives a context that ends with the first SIGINT or SIGTERM. The
// second one ends the context of quitNow, and a third one ends the process, as
// it would without us.
func withSignals(parent context.Context) (context.Context, func()) {
	hard, quit := context.WithCancel(parent)
	soft, stop := context.WithCancel(context.WithValue(parent, hardStop{}, hard))
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		for _, end := range []context.CancelFunc{stop, quit} {
			select {
			case <-signals:
				end()
			case <-done:
				return
			}
		}
		signal.Stop(signals)
	}()
	return soft, func() {
		signal.Stop(signals)
		close(done)
		stop()
		quit()
	}
}

// quitNow gives the context that ends with the second signal.
func quitNow(ctx context.Context) context.Context {
	if hard, ok := ctx.Value(hardStop{}).(context.Context); ok {
		return hard
	}
	return context.WithoutCancel(ctx)
}
