package worker

// unlock ends a change of the queue: it hands closed batches to the pool and
// tells the sender if there is something to send.
func (l *Lane) unlock() {
	prepare := l.unprepared()
	call := l.signal()
	l.mu.Unlock()
	for _, b := range prepare {
		l.host.PrepareBatch(l, b)
	}
	call.make(l)
}

// signal is what the sender, and other lanes, are to be told once the lane is unlocked.
type signal struct {
	sender     Sender
	ready      bool
	idle       bool
	backlogged bool
	opened     bool
	drain      bool // the caller may write
}

func (s signal) make(l *Lane) {
	if s.opened {
		l.Partition.wake()
	}
	if s.drain && (s.ready || s.idle) {
		s.sender.Drain(l, s.idle)
		return
	}
	if s.ready {
		s.sender.Ready(l, false)
	}
	if s.idle {
		s.sender.Ready(l, true)
	}
}

// signal marks the lane as standing in its sender's queues and says which calls
// make that true. Ready marks are set with the lane's lock held but the sender is
// called without it: the sender's lock is never taken inside a lane's. Nor is
// another lane's.
func (l *Lane) signal() signal {
	s := signal{sender: l.sender, opened: l.opened}
	l.opened = false
	s.backlogged = l.cfg.WorkersMax > l.cfg.Workers && l.queue.len()-l.next > Window
	if l.sender == nil || l.state == Stopped {
		return s
	}
	if !l.marks.ready && l.sendable(false) {
		l.marks.ready, s.ready = true, true
	}
	if !l.marks.idle && !l.marks.ready && l.open != nil && l.open.Immediate && l.sendable(true) {
		l.marks.idle, s.idle = true, true
	}
	return s
}
