package main

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// maxMoments bounds a timeline, whose producers may report without end.
const maxMoments = 200_000

// timeline is what happened when. Its methods may be called from any goroutine.
type timeline struct {
	began   time.Time
	verbose bool

	mu      sync.Mutex // guards the following
	out     io.Writer
	moments []moment
}

// moment is something that happened.
type moment struct {
	at   time.Duration
	text string
}

func newTimeline(out io.Writer, verbose bool) *timeline {
	return &timeline{began: time.Now(), out: out, verbose: verbose}
}

// now is the time since the run began.
func (t *timeline) now() time.Duration { return time.Since(t.began) }

// head prints a line that belongs to no moment.
func (t *timeline) head(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, format+"\n", args...)
}

// say prints what happened, and keeps it for histories.
func (t *timeline) say(format string, args ...any) { t.add(true, fmt.Sprintf(format, args...)) }

// note keeps what happened for histories; it is printed if the run is verbose.
func (t *timeline) note(format string, args ...any) { t.add(t.verbose, fmt.Sprintf(format, args...)) }

func (t *timeline) add(loud bool, text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := moment{t.now(), text}
	if len(t.moments) < maxMoments {
		t.moments = append(t.moments, m)
	}
	if loud {
		fmt.Fprintln(t.out, m)
	}
}

func (m moment) String() string { return fmt.Sprintf("%9.3f s  %s", m.at.Seconds(), m.text) }

// between lists what happened in a span, bounds included.
func (t *timeline) between(from, to time.Duration) (list []moment) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range t.moments {
		if from <= m.at && m.at <= to {
			list = append(list, m)
		}
	}
	return list
}
