package main

import (
	"bytes"
	"io"
)

type lineState uint8

const (
	lineNone    lineState = iota // no whole line is left in the buffer
	lineWhole                    // a line, without its \n
	lineTooLong                  // a line longer than max, which was left out
)

// lineReader reads big blocks and slices lines out of its buffer. A slice is
// valid until the next fill. The buffer grows to the longest line, up to max+1.
type lineReader struct {
	r        io.Reader
	max      int
	buf      []byte
	from, to int  // unread bytes
	searched int  // of them, how many are known to hold no \n
	skipping bool // inside a line that is too long
}

func (l *lineReader) reset(r io.Reader) {
	l.r, l.from, l.to, l.searched, l.skipping = r, 0, 0, 0, false
}

// fill reads once. It is called when next has answered lineNone: what is left
// in the buffer is the beginning of one line.
func (l *lineReader) fill() error {
	if l.from > 0 {
		copy(l.buf, l.buf[l.from:l.to])
		l.from, l.to = 0, l.to-l.from
	}
	if l.to == len(l.buf) {
		grown := make([]byte, min(2*len(l.buf), l.max+1))
		copy(grown, l.buf)
		l.buf = grown
	}
	for range 100 {
		n, err := l.r.Read(l.buf[l.to:])
		l.to += n
		if n > 0 || err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// next gives the next line. At the end of the input what is left is a line too.
func (l *lineReader) next(end bool) ([]byte, lineState) {
	unread := l.buf[l.from:l.to]
	i := bytes.IndexByte(unread[l.searched:], '\n')
	if i < 0 {
		return l.unended(unread, end)
	}
	line := unread[:l.searched+i]
	l.from += len(line) + 1
	l.searched = 0
	if l.skipping || len(line) > l.max {
		l.skipping = false
		return nil, lineTooLong
	}
	return line, lineWhole
}

func (l *lineReader) unended(unread []byte, end bool) ([]byte, lineState) {
	l.searched = len(unread)
	if len(unread) > l.max {
		l.skipping = true
	}
	if !end {
		if l.skipping { // its bytes are of no use
			l.from, l.to, l.searched = 0, 0, 0
		}
		return nil, lineNone
	}
	l.from, l.to, l.searched = 0, 0, 0
	switch {
	case l.skipping:
		l.skipping = false
		return nil, lineTooLong
	case len(unread) > 0:
		return unread, lineWhole
	}
	return nil, lineNone
}
