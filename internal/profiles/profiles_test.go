package profiles

import (
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
)

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func TestFiguresAndProfilesAreServed(t *testing.T) {
	l, err := Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { Serve(l); close(ended) }()
	url := "http://" + l.Addr().String()

	status, text := get(t, url+"/debug/metrics")
	_, rest, found := strings.Cut(text, "/gc/heap/allocs:objects ")
	number, _, _ := strings.Cut(rest, "\n")
	if n, err := strconv.ParseUint(number, 10, 64); status != 200 || !found || err != nil || n == 0 {
		t.Errorf("figures: %d, %v\n%s", status, err, text)
	}
	for _, name := range []string{"heap", "goroutine?debug=1", "profile?seconds=1"} {
		if status, text := get(t, url+"/debug/pprof/"+name); status != 200 || text == "" {
			t.Errorf("%s: %d, %d bytes", name, status, len(text))
		}
	}
	for _, path := range []string{"/debug/pprof/cmdline", "/debug/vars", "/"} {
		if status, text := get(t, url+path); status != 404 || strings.Contains(text, os.Args[0]) {
			t.Errorf("%s is served: %d", path, status)
		}
	}
	http.DefaultClient.CloseIdleConnections()
	l.Close()
	<-ended
}

func TestOnlyLoopbackIsServed(t *testing.T) {
	for _, address := range []string{":6060", "0.0.0.0:0", "[::]:0", "192.0.2.1:6060", "nonsense"} {
		if l, err := Listen(address); err == nil {
			l.Close()
			t.Errorf("%q is listened on", address)
		}
	}
}
