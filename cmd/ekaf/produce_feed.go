package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/ekaf-go/ekaf"
)

const (
	// firstBlock is what is asked of the input at once; a longer line lets it grow.
	firstBlock = 256 << 10
	// callLines is how many lines one call hands over: enough to spread its cost
	// thin, few enough that their outcomes come soon.
	callLines = 512
)

// feed reads lines and hands them to the producer. Lines are slices of the
// read buffer: the producer copies them before its call returns (promise P5),
// and so each call comes before the next read.
type feed struct {
	producer *ekaf.Producer
	topic    string
	form     form
	report   *report
	batched  bool // linger was asked for
	maxLine  int

	next  int64          // number of the line to come, from 1
	calls []ekaf.Message // made once; a line changes no more of one than its key and value
	held  int            // of them, how many hold a line
	bytes int            // of these lines

	mu      sync.Mutex // guards the following
	reading bool       // inside a Read, which nothing can interrupt
	stopped bool       // no line may be handed over any more
	partial bool       // a regular file was not read to its end
}

// runUntil feeds all inputs, or until ctx ends. A read of a terminal or a pipe
// cannot be interrupted: then its goroutine is left behind, and stopped makes
// sure that it hands nothing over.
func (f *feed) runUntil(ctx context.Context, in []input) error {
	done := make(chan error, 1)
	go func() { done <- f.run(ctx, in) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	f.mu.Lock()
	f.stopped = true
	abandoned := f.reading
	f.mu.Unlock()
	if !abandoned {
		<-done
	}
	return nil
}

func (f *feed) run(ctx context.Context, in []input) error {
	f.next = 1
	f.calls = make([]ekaf.Message, callLines)
	for i := range f.calls {
		f.calls[i] = f.form.blank()
	}
	lines := &lineReader{max: f.maxLine, buf: make([]byte, min(firstBlock, f.maxLine+1))}
	for i, source := range in {
		if ctx.Err() != nil {
			f.markPartial(i > 0) // files that were not begun
			return nil
		}
		if err := f.source(ctx, lines, source); err != nil {
			return err
		}
	}
	return nil
}

func (f *feed) source(ctx context.Context, lines *lineReader, source input) error {
	r, err := source.open()
	if err != nil {
		return fmt.Errorf("cannot read the input: %w", err)
	}
	defer r.Close()
	regular := isRegular(r)
	lines.reset(r)
	for {
		if !f.enterRead() {
			f.markPartial(regular)
			return nil
		}
		err := lines.fill()
		if !f.leaveRead() {
			f.markPartial(regular)
			return nil
		}
		if handErr := f.hand(ctx, lines, err != nil); handErr != nil {
			return handErr
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("cannot read %s: %w", source.name, err)
		}
	}
}

func (f *feed) enterRead() bool { return f.setReading(true) }
func (f *feed) leaveRead() bool { return f.setReading(false) }

func (f *feed) setReading(reading bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reading = reading && !f.stopped
	return !f.stopped
}

func (f *feed) markPartial(regular bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.partial = f.partial || regular
}

// cutShort reports whether a file was left half read. A pipe has no such end.
func (f *feed) cutShort() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.partial
}

func isRegular(r io.Reader) bool {
	if stdin, ok := r.(standardInput); ok {
		r = stdin.Reader
	}
	file, ok := r.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode().IsRegular()
}

// hand gives all whole lines of the buffer to the producer; at the end of the
// input also a last line without its end.
func (f *feed) hand(ctx context.Context, lines *lineReader, end bool) error {
	for {
		line, state := lines.next(end)
		switch state {
		case lineWhole:
			f.form.fill(&f.calls[f.held], line)
			f.held++
			f.bytes += len(line)
			f.next++
			if f.held == callLines {
				if err := f.call(ctx); err != nil {
					return err
				}
			}
		case lineTooLong:
			f.report.lineLeftOut()
			f.report.refused(f.next, 1, ekaf.ErrTooLarge)
			f.next++
			if err := f.call(ctx); err != nil { // keeps a call's line numbers consecutive
				return err
			}
		case lineNone:
			return f.call(ctx)
		}
	}
}

// call hands the gathered lines over. It blocks while the buffer is full.
func (f *feed) call(ctx context.Context) error {
	n := f.held
	if n == 0 {
		return nil
	}
	c := &call{report: f.report, first: f.next - int64(n), n: n}
	f.report.handed(n, f.bytes)
	var err error
	if f.batched {
		_, err = f.producer.ProduceAsyncBatchedFunc(ctx, f.topic, c.answered, f.calls[:n]...)
	} else {
		err = f.producer.ProduceAsyncFunc(ctx, f.topic, c.answered, f.calls[:n]...)
	}
	f.held, f.bytes = 0, 0
	c.returned(err)
	if errors.Is(err, ekaf.ErrInvalidTopic) {
		return misused("--topic %q: %w", f.topic, ekaf.ErrInvalidTopic)
	}
	return nil
}

// blank is a message with all that is the same for every line.
func (m *form) blank() ekaf.Message {
	msg := ekaf.Message{Headers: m.headers, Timestamp: m.timestamp}
	if m.partition >= 0 {
		msg = msg.OnPartition(m.partition)
	}
	return msg
}

// fill cuts a line into key and value of a message that was made blank. It
// allocates nothing.
func (m *form) fill(msg *ekaf.Message, line []byte) {
	msg.Value = line
	if len(m.delim) > 0 {
		msg.Key = nil
		if key, value, found := bytes.Cut(line, m.delim); found {
			msg.Key, msg.Value = key, value
		}
	}
	if m.null != nil && bytes.Equal(msg.Value, m.null) {
		msg.Value = nil
	}
}
