package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	ackLogEvery = 100 * time.Millisecond
	ackLogBytes = 1 << 20
)

// ackLog appends line numbers to a file, in the order of the acks. Numbers are
// gathered in memory and written every 100 ms, when 1 MiB is full, and at the end.
type ackLog struct {
	file    *os.File
	stop    chan struct{}
	stopped chan struct{}

	mu      sync.Mutex // guards the following
	waiting []byte
	err     error // the first failure: then nothing more is written
}

func openAckLog(path string) (*ackLog, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return nil, misused("cannot open the ack log: %w", err)
	}
	l := &ackLog{file: file, stop: make(chan struct{}), stopped: make(chan struct{})}
	go l.loop()
	return l, nil
}

func (l *ackLog) loop() {
	defer close(l.stopped)
	tick := time.NewTicker(ackLogEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			l.mu.Lock()
			l.writeLocked()
			l.mu.Unlock()
		case <-l.stop:
			return
		}
	}
}

// add notes lines first to first+n-1.
func (l *ackLog) add(first int64, n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range int64(n) {
		l.waiting = strconv.AppendInt(l.waiting, first+i, 10)
		l.waiting = append(l.waiting, '\n')
	}
	if len(l.waiting) >= ackLogBytes {
		l.writeLocked()
	}
}

func (l *ackLog) writeLocked() {
	if len(l.waiting) == 0 {
		return
	}
	if l.err == nil {
		if _, err := l.file.Write(l.waiting); err != nil {
			l.err = fmt.Errorf("cannot write the ack log: %w", err)
		}
	}
	l.waiting = l.waiting[:0]
}

// close writes what is left and gives the first failure there was.
func (l *ackLog) close() error {
	close(l.stop)
	<-l.stopped
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writeLocked()
	if err := l.file.Close(); err != nil && l.err == nil {
		l.err = fmt.Errorf("cannot write the ack log: %w", err)
	}
	return l.err
}
