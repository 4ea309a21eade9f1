package httpload

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"

	"github.com/ekaf-go/ekaf/internal/profiles"
)

// BareMain is the server to compare with, as a process of its own: it says on
// errs where it listens, as the gateway does, and serves until ctx ends. It
// returns the exit code.
func BareMain(ctx context.Context, args []string, errs io.Writer) int {
	fs := flag.NewFlagSet("bench bare", flag.ContinueOnError)
	listen := fs.String("listen", "127.0.0.1:0", "address to listen on")
	debug := fs.String("debug-listen", "127.0.0.1:0", "address for figures and profiles")
	answer := fs.String("answer", `{"ok":1}`, "body of all answers")
	fs.SetOutput(errs)
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if err := serveBare(ctx, *listen, *debug, []byte(*answer), errs); err != nil {
		fmt.Fprintln(errs, err)
		return 1
	}
	return 0
}

func serveBare(ctx context.Context, listen, debug string, answer []byte, errs io.Writer) error {
	own, err := profiles.Listen(debug)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", debug, err)
	}
	defer own.Close()
	go profiles.Serve(own)
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", listen, err)
	}
	fmt.Fprintf(errs, "figures and profiles on http://%s/debug/\n", own.Addr())
	fmt.Fprintf(errs, "listening on http://%s\n", l.Addr())
	server := &http.Server{Handler: Bare(answer)}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if err := server.Serve(l); ctx.Err() == nil {
		return fmt.Errorf("cannot serve any longer: %w", err)
	}
	return nil
}

// Bare reads the body and answers 200, the body given, and the one header
// that the gateway sets.
func Bare(answer []byte) http.Handler {
	contentType := []string{"application/json; charset=utf-8"}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header()["Content-Type"] = contentType
		_, _ = w.Write(answer) // a client that has gone does not hear it
	})
}
