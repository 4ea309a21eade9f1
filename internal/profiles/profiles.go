// Package profiles serves what the Go runtime knows of this process, for those
// who want to know where its time and memory go:
//
//	GET /debug/metrics         every figure of runtime/metrics that is one number, "NAME VALUE" a line
//	GET /debug/pprof/profile   CPU, for ?seconds=; go tool pprof reads it
//	GET /debug/pprof/NAME      allocs, block, goroutine, heap, mutex, threadcreate
//
// An address becomes answers in three steps:
//
//	address ──► Listen ──► listener ──► Serve ──► Handler ─┬─► runtime/metrics
//	              │ loopback only                          └─► runtime/pprof
//	              ▼
//	            refused
//
// The command line, which may hold secrets, is not among them. Stacks and types
// are, so it is served on loopback only.
package profiles

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime/metrics"
	runtimepprof "runtime/pprof"
	"time"
)

// Listen opens a TCP address of this machine's loopback.
func Listen(address string) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot read the address: %w", err)
	}
	if !tcp.IP.IsLoopback() {
		return nil, errors.New("profiles are served on loopback only: give an address such as 127.0.0.1:6060")
	}
	return net.ListenTCP("tcp", tcp)
}

// Serve answers on l until l is closed.
func Serve(l net.Listener) {
	server := &http.Server{Handler: Handler(), ReadHeaderTimeout: 10 * time.Second}
	_ = server.Serve(l) // it ends when the listener is closed
}

// Handler is what Serve serves.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/metrics", writeFigures)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	for _, p := range runtimepprof.Profiles() {
		mux.Handle("GET /debug/pprof/"+p.Name(), pprof.Handler(p.Name()))
	}
	return mux
}

// writeFigures leaves histograms out.
func writeFigures(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	all := metrics.All()
	samples := make([]metrics.Sample, len(all))
	for i := range all {
		samples[i].Name = all[i].Name
	}
	metrics.Read(samples)
	for _, s := range samples {
		switch s.Value.Kind() {
		case metrics.KindUint64:
			fmt.Fprintln(w, s.Name, s.Value.Uint64())
		case metrics.KindFloat64:
			fmt.Fprintln(w, s.Name, s.Value.Float64())
		}
	}
}
