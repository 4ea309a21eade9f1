package cluster

// maxNotes bounds the calls that wait behind a slow callback.
const maxNotes = 64

// note is one call to be made: OnSnapshot or OnFailure.
type note struct {
	snapshot *Snapshot
	failure  error
}

// noteLocked queues a call. The goroutine that makes the calls lives only while there are any.
func (c *Cluster) noteLocked(n note) {
	if c.closed || (n.snapshot != nil && c.cfg.OnSnapshot == nil) || (n.snapshot == nil && c.cfg.OnFailure == nil) {
		return
	}
	if len(c.notes) == maxNotes {
		// The oldest goes: a snapshot has newer ones behind it, and nobody acts on an old failure.
		// At least one snapshot must stay, if there is one, as it may be the newest.
		drop := 0
		if c.notes[0].snapshot != nil && n.snapshot == nil && countSnapshots(c.notes) == 1 {
			drop = 1
		}
		c.notes = append(c.notes[:drop], c.notes[drop+1:]...)
	}
	c.notes = append(c.notes, n)
	if !c.delivering {
		c.delivering = true
		c.wg.Go(c.deliver)
	}
}

func countSnapshots(notes []note) int {
	count := 0
	for _, n := range notes {
		if n.snapshot != nil {
			count++
		}
	}
	return count
}

// deliver makes the queued calls until there are none left, or the Cluster is closed.
func (c *Cluster) deliver() {
	for {
		c.mu.Lock()
		if len(c.notes) == 0 || c.closed {
			c.notes = nil
			c.delivering = false
			c.mu.Unlock()
			return
		}
		n := c.notes[0]
		c.notes = c.notes[1:]
		c.mu.Unlock()
		if n.snapshot != nil {
			c.cfg.OnSnapshot(n.snapshot)
		} else {
			c.cfg.OnFailure(n.failure)
		}
	}
}
