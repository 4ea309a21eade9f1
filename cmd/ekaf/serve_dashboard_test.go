//go:build unix

package main

import (
	"bufio"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestServeDashboard: the page is there, its stream tells of what is sent, and who
// watches does not hold up the end.
func TestServeDashboard(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0], "--grace", "1h")
	defer http.DefaultClient.CloseIdleConnections()
	for path, kind := range map[string]string{
		"/": "text/html; charset=utf-8", "/dashboard/app.js": "text/javascript; charset=utf-8", "/dashboard/style.css": "text/css; charset=utf-8",
	} {
		answer, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // the header is enough
		if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != kind || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("%s: %d %v", path, answer.StatusCode, answer.Header)
		}
	}
	if status, body := s.post("/sync/events", "x"); status != 200 {
		t.Fatalf("answered %d %s", status, body)
	}
	answer, err := http.Get(s.url + "/dashboard/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines, told, last := bufio.NewScanner(answer.Body), false, ""
	lines.Buffer(nil, 10<<20)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			last = name
		}
		if !told && strings.Contains(lines.Text(), `"totals":{"acked":1,`) {
			told = true
			s.signal(syscall.SIGTERM)
		}
	}
	if !told || last != "bye" {
		t.Errorf("the message was told: %v; the last word was %q", told, last)
	}
	if code := s.wait(); code != exitDone {
		t.Errorf("exit code %d", code)
	}
}

// TestServeWithoutDashboard serves nothing there.
func TestServeWithoutDashboard(t *testing.T) {
	s := startServe(t, "-b", "127.0.0.1:9", "--no-dashboard")
	defer http.DefaultClient.CloseIdleConnections()
	for _, path := range []string{"/", "/dashboard/stream", "/dashboard/app.js"} {
		answer, err := http.Get(s.url + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close() // the status is enough
		if answer.StatusCode != 404 {
			t.Errorf("%s: %d", path, answer.StatusCode)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wait()
}
