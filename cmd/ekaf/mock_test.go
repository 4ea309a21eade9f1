package main

import (
	"context"
	"regexp"
	"strings"
	"testing"
	"time"
)

var addressOfMock = regexp.MustCompile(`broker on (\S+), topics`)

// startMock runs ekaf mock in the background and gives its address.
func startMock(t *testing.T, ctx context.Context, args ...string) (addr string, out, errOut *lockedBuffer, code chan int) {
	t.Helper()
	out, errOut, code = &lockedBuffer{}, &lockedBuffer{}, make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"mock", "--listen", "127.0.0.1:0"}, args...), strings.NewReader(""), out, errOut)
	}()
	for {
		if found := addressOfMock.FindStringSubmatch(errOut.String()); found != nil {
			return found[1], out, errOut, code
		}
		time.Sleep(time.Millisecond)
	}
}

func TestMockPrintsWhatAConsumerGetsAndEndsAsExpected(t *testing.T) {
	addr, out, errOut, code := startMock(t, t.Context(), "--topic", "a:2", "--topic", "b", "--expect", "4")
	for _, args := range [][]string{{"-t", "a", "-p", "1", "-K", ":", "--null", ""}, {"-t", "b"}} {
		if r := ekafRun(t, "1\nk:\n", append([]string{"produce", "-b", addr}, args...)...); r.code != exitDone {
			t.Fatalf("%+v", r)
		}
	}
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d\n%s", c, errOut.String())
	}
	var got []string // the lines of one partition may come in pieces
	for line := range strings.Lines(out.String()) {
		got = append(got, strings.TrimPrefix(strings.TrimSpace(line), "kafka_consumer_loop INCOMING "))
	}
	all := strings.Join(got, "\n")
	for _, want := range []string{`"1"`, `{"k",null}`, "topic a partition 1", `"k:"`, "topic b partition 0"} {
		if !strings.Contains(all, want) {
			t.Errorf("%s is missing in\n%s", want, all)
		}
	}
}

func TestMockGivesUpAfterItsTimeout(t *testing.T) {
	_, _, errOut, code := startMock(t, t.Context(), "--expect", "2", "--timeout", "50ms")
	if c := <-code; c != exitSome || !strings.Contains(errOut.String(), "only 0 of 2 messages came") {
		t.Errorf("exit code %d\n%s", c, errOut.String())
	}
}

func TestMockRunsUntilInterrupted(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	_, _, errOut, code := startMock(t, ctx)
	interrupt()
	if c := <-code; c != exitDone {
		t.Errorf("exit code %d\n%s", c, errOut.String())
	}
}
