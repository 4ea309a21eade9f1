package httpload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func address(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func gather(t *testing.T, s *httptest.Server, n int) *Crowd {
	t.Helper()
	c, err := Gather(t.Context(), address(s), n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// The server must get each request whole and as often as is said.
func TestACrowdAsksEachRequestInTurn(t *testing.T) {
	var mu sync.Mutex
	got := map[string]int{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		mu.Lock()
		got[fmt.Sprintf("%s %s %s %v", r.URL.Path, r.Header.Get("Content-Type"), body, err)]++
		mu.Unlock()
		io.WriteString(w, strings.Repeat("y", map[string]int{"/a": 1500, "/b": 10}[r.URL.Path])) // one is more than a first read takes
	}))
	defer s.Close()
	requests := []Request{
		{Bytes: Format("/a", "text/plain", []byte("one")), Messages: 1, Sum: 10},
		{Bytes: Format("/b", "text/csv", []byte("two")), Messages: 2, Sum: 7},
	}
	tally, err := gather(t, s, 5).Ask(t.Context(), Order{Requests: requests, Count: 101, Want: 200})
	if err != nil {
		t.Fatal(err)
	}
	if n := [2]int{got["/a text/plain one <nil>"], got["/b text/csv two <nil>"]}; n != [2]int{51, 50} || len(got) != 2 {
		t.Errorf("the server got %v", got)
	}
	if tally.OK != 101 || tally.Messages != 151 || tally.Sum != 860 || tally.Refused != 0 || tally.Took <= 0 || len(tally.Times) != 101 {
		t.Errorf("tally %+v", tally)
	}
	for i, took := range tally.Times {
		if took <= 0 || took > tally.Took {
			t.Errorf("request %d took %v of %v", i, took, tally.Took)
		}
	}
}

func TestAskingEndsAtTheStatusNamed(t *testing.T) {
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) > 20 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	c := gather(t, s, 3)
	requests := []Request{{Bytes: Format("/", "", nil), Messages: 1}}
	tally, err := c.Ask(t.Context(), Order{Requests: requests, Count: 1000, Until: 503})
	if err != nil || tally.OK != 20 || tally.Messages != 20 || tally.Refused < 1 || tally.Refused > 3 || len(tally.Times) != tally.OK+tally.Refused {
		t.Errorf("tally %+v, %v", tally, err)
	}
	if _, err := c.Ask(t.Context(), Order{Requests: requests, Count: 9, Want: 200}); err == nil || !strings.Contains(err.Error(), "answered with 503, not 200") {
		t.Errorf("a refusal is taken for right: %v", err)
	}
	if tally, err := c.Once(t.Context(), requests[0], 503); err != nil || tally.OK != 3 {
		t.Errorf("each once: %+v, %v", tally, err)
	}
	if _, err := c.Once(t.Context(), requests[0], 200); err == nil {
		t.Error("a refusal is taken for right")
	}
}

// A server that does not answer holds nobody beyond the context.
func TestAskingEndsWithItsContext(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := Gather(t.Context(), l.Addr().String(), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.Ask(ctx, Order{Requests: []Request{{Bytes: Format("/", "", nil)}}, Count: 5}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("asking ended with %v", err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	for _, text := range []string{
		"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: \r\n\r\n", "\r\n\r\n",
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n", "HTTP/1.1\r\n\r\n",
	} {
		if status, size, err := parse([]byte(text)); err == nil {
			t.Errorf("%q is taken for %d and %d bytes", text, status, size)
		}
	}
	whole := "HTTP/1.1 202 Accepted\r\nContent-Type: x\r\nContent-Length: 2\r\n\r\nabHTTP"
	for n := range len(whole) {
		status, size, err := parse([]byte(whole[:n]))
		want := strings.Index(whole, "HTTP/1.1 202") + len(whole) - len("HTTP")
		if err != nil || size != 0 && (status != 202 || size != want) || n > want && size == 0 {
			t.Errorf("%d bytes are taken for %d and %d bytes, %v", n, status, size, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"ok\":1}"))
	f.Add([]byte("HTTP/1.1 \r\nContent-Length: \r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		status, size, err := parse(b)
		if err == nil && size != 0 && (size < len("HTTP/1.1 200\r\n\r\n") || size > len(b)+maxAnswer || status < 0 || status > 999) {
			t.Errorf("%q is %d and %d bytes", b, status, size)
		}
	})
}

func TestTheBareServerReadsAndAnswers(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	said, errs := io.Pipe()
	code := make(chan int, 1)
	go func() { code <- BareMain(ctx, []string{"-answer", `{"accepted":9}`}, errs) }()
	var debug, url string
	if _, err := fmt.Fscanf(said, "figures and profiles on %s\nlistening on %s\n", &debug, &url); err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(url+"/v1/topics/t", "text/plain", bytes.NewReader(make([]byte, 100_000)))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if answer.StatusCode != 200 || string(body) != `{"accepted":9}` || answer.Header.Get("Content-Type") != "application/json; charset=utf-8" || err != nil {
		t.Errorf("answered %d %s, %v", answer.StatusCode, body, err)
	}
	stop()
	if got := <-code; got != 0 {
		t.Errorf("exit code %d", got)
	}
	for args, want := range map[string]int{"-nonsense": 2, "-listen=192.0.2.1:1": 1, "-debug-listen=0.0.0.0:0": 1} {
		if got := BareMain(ctx, []string{args}, io.Discard); got != want {
			t.Errorf("%s: exit code %d", args, got)
		}
	}
}
