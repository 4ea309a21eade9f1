package gateway_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

// The handlers beside each other: ours, one that only reads the body, and one
// that reads it and answers with the same bytes under the same headers.
func handlers(b *testing.B) map[string]http.Handler {
	b.Helper()
	c := ekaftest.Start(b, ekaftest.Topic("events", 1))
	p, err := ekaf.New(ekaf.Brokers(c.Addrs()...), ekaf.WhenFullAsync(ekaf.DropOldest), ekaf.BufferBytes(16<<20), ekaf.PartitionBufferBytes(16<<20))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		defer cancel()
		_ = p.Close(ctx) // what is left does not matter here
	})
	if err := p.Prepare(b.Context(), "events"); err != nil {
		b.Fatal(err)
	}
	c.Stop() // what is measured is the door, not the broker
	h, err := gateway.New(p)
	if err != nil {
		b.Fatal(err)
	}
	return map[string]http.Handler{
		"gateway": h,
		"bare":    http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }),
		"bare, same answer": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header()["Content-Type"] = []string{"application/json; charset=utf-8"}
			_, _ = w.Write([]byte(`{"ok":1}`))
		}),
	}
}

// client writes one request over and over on a connection to a real server.
type client struct {
	conn    net.Conn
	in      *bufio.Reader
	request []byte
}

func dial(b *testing.B, addr, path, kind string, body []byte) *client {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: gateway\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n", path, kind, len(body))
	return &client{conn, bufio.NewReaderSize(conn, 4096), append([]byte(head), body...)}
}

// ask does not allocate, so that what is counted is the server's.
func (c *client) ask() error {
	if _, err := c.conn.Write(c.request); err != nil {
		return err
	}
	length := 0
	for {
		line, err := c.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		if bytes.HasPrefix(line, []byte("HTTP/1.1 ")) && line[9] != '2' {
			return fmt.Errorf("answered %s", line)
		}
		if n, found := bytes.CutPrefix(line, []byte("Content-Length: ")); found {
			for _, d := range bytes.TrimSpace(n) {
				length = 10*length + int(d-'0')
			}
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	_, err := c.in.Discard(length)
	return err
}

func benchmark(b *testing.B, path, kind string, body []byte, messages int) {
	for name, h := range handlers(b) {
		b.Run(name, func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			server := &http.Server{Handler: h}
			go server.Serve(listener)
			defer server.Close()
			c := dial(b, listener.Addr().String(), path, kind, body)
			defer c.conn.Close()
			b.ReportAllocs()
			for b.Loop() {
				if err := c.ask(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(messages)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkAsync: POST /async of 100 bytes of JSON, one keep-alive connection.
func BenchmarkAsync(b *testing.B) {
	body := []byte(`{"a":"` + strings.Repeat("x", 92) + `"}`)
	benchmark(b, "/async/events", "application/json", body, 1)
}

// BenchmarkLines: an NDJSON body of 1,000 lines of 100 bytes.
func BenchmarkLines(b *testing.B) {
	body := bytes.Repeat([]byte(`{"a":"`+strings.Repeat("x", 91)+"\"}\n"), 1000)
	benchmark(b, "/v1/topics/events", "application/x-ndjson", body, 1000)
}
