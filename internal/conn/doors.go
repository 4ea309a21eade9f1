package conn

import (
	"sync"
	"time"
)

// Doors keeps those who connect to the same brokers from knocking one after the other at a door that nobody
// answers. Metadata and each sender have a back-off of their own; together they would try a dead broker
// several times as often as each means to:
//
//	sender    ×──────────×──────────×─────────          with Doors, what falls into the pause after
//	metadata     ×──────────×──────────×──────          a failure fails as that did, without a dial
//	worker 2  ─×──────────×──────────×────────
//
// The pause is a part of the back-off, so that one who keeps to it is never held up by own attempts.
//
// A nil Doors lets everybody through. Its methods may be called from any goroutine.
type Doors struct {
	least, most time.Duration

	mu   sync.Mutex // guards the following
	shut map[string]*door
}

// door is an address at which the last attempt failed.
type door struct {
	failures int
	until    time.Time
	err      error
}

// NewDoors is told the back-off of those who knock: the pause after a first failure and the longest one.
func NewDoors(least, most time.Duration) *Doors {
	return &Doors{least: least, most: most, shut: make(map[string]*door)}
}

// maxDoors bounds what is remembered; a cluster has fewer brokers.
const maxDoors = 10_000

// try answers the last failure, if it is too early to try again.
func (d *Doors) try(addr string, now time.Time) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known := d.shut[addr]; known != nil && now.Before(known.until) {
		return known.err
	}
	return nil
}

// tried notes how an attempt ended.
func (d *Doors) tried(addr string, now time.Time, err error) {
	if d == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err == nil {
		delete(d.shut, addr)
		return
	}
	known := d.shut[addr]
	if known == nil {
		if len(d.shut) >= maxDoors {
			clear(d.shut)
		}
		known = &door{}
		d.shut[addr] = known
	}
	if now.Before(known.until) {
		return // of several who tried at once the first one counts
	}
	pause := d.least << min(known.failures, 16)
	if pause > d.most || pause <= 0 {
		pause = d.most
	}
	known.failures++
	known.err, known.until = err, now.Add(pause*7/10)
}
