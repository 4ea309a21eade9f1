package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/ekaf-go/ekaf"
)

// watch tells the user, once per change, whether the brokers can be reached.
type watch struct {
	screen *console

	mu      sync.Mutex // guards the following
	since   time.Time  // when the waiting began; zero: not waiting
	unknown bool
}

func (w *watch) event(e ekaf.Event) {
	switch e.Kind {
	case ekaf.EventMetadataFailed:
		w.down(e.Err)
	case ekaf.EventTopicState:
		switch e.To {
		case "downtime":
			w.down(fmt.Errorf("no partition of %s can be reached", e.Topic))
		case "ready":
			w.up()
		}
	case ekaf.EventTopicUnknown:
		w.mu.Lock()
		first := !w.unknown
		w.unknown = true
		w.mu.Unlock()
		if first {
			w.screen.say("the topic %s does not exist; waiting for it to appear", e.Topic)
		}
	}
}

func (w *watch) down(err error) {
	w.mu.Lock()
	first := w.since.IsZero()
	if first {
		w.since = time.Now()
	}
	w.mu.Unlock()
	if first {
		w.screen.say("waiting for the brokers: %v", err)
	}
}

func (w *watch) up() {
	w.mu.Lock()
	since := w.since
	w.since, w.unknown = time.Time{}, false
	w.mu.Unlock()
	if !since.IsZero() {
		w.screen.say("the brokers are back, after %v", time.Since(since).Round(100*time.Millisecond))
	}
}

func (w *watch) waiting() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.since.IsZero() {
		return 0
	}
	return time.Since(w.since)
}

// away says for how long the brokers have been away, if they are.
func (w *watch) away() string {
	if down := w.waiting(); down > 0 {
		return fmt.Sprintf(", brokers away for %v", down.Round(time.Second))
	}
	return ""
}

// console writes lines to standard error, past the progress bar if there is one.
type console struct {
	mu  sync.Mutex // guards the following
	out io.Writer
	bar *progressbar.ProgressBar
}

func newConsole(out io.Writer) *console { return &console{out: out} }

func (c *console) say(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bar != nil {
		_ = c.bar.Clear() // a line too many on the screen is no reason to stop
	}
	fmt.Fprintf(c.out, format+"\n", args...)
}

// showProgress draws a bar while standard error is a terminal. state says how
// many messages are acked, and what else there is to show; total is how many
// there will be, or -1.
func (c *console) showProgress(total int64, state func() (acked int64, text string)) (stop func()) {
	file, ok := c.out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return func() {}
	}
	width := func() int {
		columns, _, _ := term.GetSize(int(file.Fd())) // 0 when it cannot be told
		return columns
	}
	c.bar = progressbar.NewOptions64(total, progressbar.OptionSetWriter(&oneLine{out: file, width: width}),
		progressbar.OptionSetWidth(min(max(width()-lineWithoutBar, leastBar), mostBar)), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("messages"), progressbar.OptionSpinnerType(14),
		progressbar.OptionSetSpinnerChangeInterval(0)) // else a goroutine of its own draws it, past mu and the end
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(200 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.draw(state())
			case <-end:
				return
			}
		}
	}()
	return func() {
		close(end)
		<-ended
		c.mu.Lock()
		_ = c.bar.Clear()
		c.bar = nil
		c.mu.Unlock()
	}
}

// Columns of the progress bar, by those that all around it takes.
const (
	lineWithoutBar = 110
	leastBar       = 10
	mostBar        = 40
)

// oneLine cuts what is drawn to the terminal's width, which may change while it is
// drawn on. A line that wraps cannot be drawn over: "\r" goes back to the beginning
// of its last row only, and each drawing leaves a row behind.
type oneLine struct {
	out    io.Writer
	width  func() int // columns; 0: unknown
	column int        // where the next character goes
}

func (l *oneLine) Write(p []byte) (int, error) {
	room := math.MaxInt
	if w := l.width(); w > 0 {
		room = w - 1 // a character in the last column makes some terminals wrap
	}
	kept := make([]byte, 0, len(p))
	for rest := p; len(rest) > 0; {
		char, size := utf8.DecodeRune(rest)
		if char == '\r' || char == '\n' {
			l.column = 0
		} else {
			l.column++
		}
		if l.column <= room {
			kept = append(kept, rest[:size]...)
		}
		rest = rest[size:]
	}
	if _, err := l.out.Write(kept); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (c *console) draw(acked int64, text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bar.Describe(text)
	_ = c.bar.Set64(acked) // a bar that is not drawn is no reason to stop
}

// progress is what `ekaf produce` shows: messages acked, those in flight, and how
// long the brokers have been away.
func (r *report) progress(w *watch) (int64, string) {
	r.mu.Lock()
	acked, open := r.acked, r.open
	r.mu.Unlock()
	return acked, fmt.Sprintf("in flight %d", open) + w.away()
}
