package conn

import (
	"bufio"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilentPortIsProbed: a web server that waits for the end of a line is told from a broker that does not answer. A
// broker that does so in the very last moment is not used: it has got the probe too.
func TestSilentPortIsProbed(t *testing.T) {
	line := func(p *peer) { _, _ = bufio.NewReader(p).ReadString('\n') }
	for name, c := range map[string]struct {
		script  func(*peer)
		problem error // nil: a TimeoutError
		after   time.Duration
	}{
		"web server":        {func(p *peer) { line(p); io.WriteString(p, "HTTP/1.0 400 Bad Request\r\n\r\n") }, ErrHTTP, 9 * time.Second},
		"another protocol":  {func(p *peer) { line(p); io.WriteString(p, "-ERR unknown command\r\n") }, ErrProtocol, 9 * time.Second},
		"one that hangs up": {line, nil, 9 * time.Second},
		"one that waits":    {func(p *peer) { line(p); p.drain() }, nil, 10 * time.Second},
		"a late broker": {func(p *peer) {
			r, _ := p.request()
			line(p)
			p.answer(r.correlation, versionsAnswer(r.version, usual...))
			p.drain()
		}, nil, 9 * time.Second},
		"one just in time": {func(p *peer) {
			time.Sleep(8 * time.Second)
			p.greet()
			p.drain()
		}, errNone, 8 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				conn, err := Dial(t.Context(), over(t, Config{}, c.script), "x:1")
				took := time.Since(begun)
				if conn != nil {
					err = errNone
					conn.Close()
				}
				_, late := errors.AsType[*TimeoutError](err)
				if took != c.after || late != (c.problem == nil) || !late && !errors.Is(err, c.problem) {
					t.Errorf("error %v after %v of the fake clock", err, took)
				}
			})
		})
	}
}

var errNone = errors.New("no error")
