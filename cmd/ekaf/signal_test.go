//go:build unix

package main

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// child is the program in a process of its own: this test binary, run as ekaf.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	in     io.WriteCloser
	lines  *bufio.Scanner
	errOut strings.Builder
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := prepareChild(t, args...)
	c.start()
	return c
}

// prepareChild makes a child that has not begun.
func prepareChild(t *testing.T, args ...string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: exec.Command(self, args...)}
	c.cmd.Env = append(os.Environ(), childVariable+"=1")
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	errOut, err := c.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.lines = bufio.NewScanner(errOut)
	return c
}

func (c *child) start() {
	c.t.Helper()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = c.cmd.Process.Kill() // it has ended, unless the test failed
		_ = c.cmd.Wait()
	})
}

func (c *child) write(text string) {
	if _, err := io.WriteString(c.in, text); err != nil {
		c.t.Fatal(err)
	}
}

// until reads standard error up to a line that holds text.
func (c *child) until(text string) {
	for c.lines.Scan() {
		c.errOut.WriteString(c.lines.Text() + "\n")
		if strings.Contains(c.lines.Text(), text) {
			return
		}
	}
	c.t.Fatalf("%q was never said:\n%s", text, c.errOut.String())
}

func (c *child) signal(s os.Signal) {
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

func (c *child) end() (code int, s summary) {
	for c.lines.Scan() {
		c.errOut.WriteString(c.lines.Text() + "\n")
	}
	_ = c.cmd.Wait() // its exit code is looked at below
	return c.cmd.ProcessState.ExitCode(), summaryOf(c.t, c.errOut.String())
}

func TestASignalEndsTheReadingAndAllIsDelivered(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	p := startChild(t, "produce", "-b", c.Addrs()[0], "-t", "events")
	p.write("a\nb\nhalf a line")
	if _, err := c.WaitFor(t.Context(), "events", 2); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGTERM) // standard input stays open
	code, s := p.end()
	if code != exitDone || s.Acked != 2 || s.Failed != 0 || s.Read != 2 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, p.errOut.String())
	}
}

// moreThanAPipe are lines that a pipe cannot hold: once they are written, the
// program has read some of them. (Of a line that a pipe holds one cannot tell: a
// signal may come before it is read, and the program rightly ends with nothing.)
var moreThanAPipe = strings.Repeat("a\n", 1<<17)

func TestASignalWithoutBrokersGivesUpAfterTheGrace(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	c.Stop()
	p := startChild(t, "produce", "-b", c.Addrs()[0], "-t", "events", "--grace", "300ms")
	p.write(moreThanAPipe)
	p.until("waiting for the brokers")
	p.signal(syscall.SIGINT)
	code, s := p.end()
	if code != exitSome || s.Acked != 0 || s.Failed == 0 || s.Failed != s.Read || s.Errors["interrupted"] != s.Failed || s.MaybeWritten != 0 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, p.errOut.String())
	}
}

func TestASecondSignalQuitsNow(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	c.Stop()
	p := startChild(t, "produce", "-b", c.Addrs()[0], "-t", "events", "--grace", "1h")
	p.write(moreThanAPipe)
	p.until("waiting for the brokers")
	p.signal(syscall.SIGTERM)
	p.until("interrupt again to quit now")
	p.signal(syscall.SIGTERM)
	code, s := p.end()
	if code != exitSome || s.Failed == 0 || s.Acked != 0 {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, p.errOut.String())
	}
}

func TestASignalInTheMidstOfAFile(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	c.Stop()
	file := t.TempDir() + "/lines"
	if err := os.WriteFile(file, []byte(strings.Repeat("x\n", 2_000_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	p := startChild(t, "produce", "-b", c.Addrs()[0], "-t", "events", "--grace", "100ms", "--buffer-bytes", "1000000", file)
	p.until("waiting for the brokers")
	time.Sleep(50 * time.Millisecond) // the buffer fills; whether it is full does not matter to what follows
	p.signal(syscall.SIGTERM)
	code, s := p.end()
	if code != exitSome || s.Failed != s.Read || s.Read == 0 || s.Read >= 2_000_000 || !strings.Contains(p.errOut.String(), "before the input was read to its end") {
		t.Errorf("exit code %d, summary %+v\n%s", code, s, p.errOut.String())
	}
}
