package memory

import (
	"sync"
	"sync/atomic"
)

// Account counts what is held against a limit, and against the limits above it:
// a partition's account has the topic's for parent, and that the producer's.
// All methods may be called from any goroutine.
type Account struct {
	Name   string
	parent *Account
	limit  int64    // 0: no limit of its own
	top    *Account // the one above all, perhaps itself
	used   atomic.Int64

	waiters  atomic.Int32
	everyone atomic.Int32 // of the one above all: those who wait anywhere below it
	mu       sync.Mutex   // guards the following
	freed    chan struct{}
}

// NewAccount makes an account below parent, which may be nil.
func NewAccount(name string, limit int64, parent *Account) *Account {
	a := &Account{Name: name, limit: limit, parent: parent, freed: make(chan struct{})}
	if a.top = a; parent != nil {
		a.top = parent.top
	}
	return a
}

// Used is what is held now.
func (a *Account) Used() int64 { return a.used.Load() }

// Limit is the limit, 0 for none.
func (a *Account) Limit() int64 { return a.limit }

// TryCharge takes n from this account and all above it, or from none: the
// account whose limit stood in the way is returned then. An empty account takes
// any n: one message larger than a whole limit would otherwise wait for ever.
func (a *Account) TryCharge(n int64) (full *Account) {
	for at := a; at != nil; at = at.parent {
		if !at.tryAdd(n) {
			// Those below held n for a moment, and may have turned somebody away
			// who now waits for them; the full one itself never held it, so that a
			// refused caller does not wake itself.
			for below := a; below != at; below = below.parent {
				below.used.Add(-n)
				below.wake()
			}
			return at
		}
	}
	return nil
}

func (a *Account) tryAdd(n int64) bool {
	if a.limit <= 0 {
		a.used.Add(n)
		return true
	}
	for {
		now := a.used.Load()
		if now+n > a.limit && now != 0 {
			return false
		}
		if a.used.CompareAndSwap(now, now+n) {
			return true
		}
	}
}

// Fits reports whether n more would stay within this account's own limit, now and
// whatever the limits above it say.
func (a *Account) Fits(n int64) bool { return a.limit <= 0 || a.used.Load()+n <= a.limit }

// Charge takes n whatever the limits: for what was accepted already.
func (a *Account) Charge(n int64) {
	for at := a; at != nil; at = at.parent {
		at.used.Add(n)
	}
}

// Credit gives n back and wakes those who wait for room.
func (a *Account) Credit(n int64) {
	for at := a; at != nil; at = at.parent {
		at.used.Add(-n)
		at.wake()
	}
}

// Waiting reports whether anyone waits for room in this account or one above it.
// Each message asks, so that the usual answer is one look.
func (a *Account) Waiting() bool {
	return a.top.everyone.Load() > 0 && a.waitedFor()
}

func (a *Account) waitedFor() bool {
	for at := a; at != nil; at = at.parent {
		if at.waiters.Load() > 0 {
			return true
		}
	}
	return false
}

// Wait announces a waiter, until Leave, and gives the channel that closes at the
// next credit. The order saves the wake-up: the waiter takes the channel, tries
// once more, and only then blocks; a credit between the two closes the channel
// that it holds.
func (a *Account) Wait() (freed <-chan struct{}) {
	a.waiters.Add(1)
	a.top.everyone.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.freed
}

// Leave ends a Wait.
func (a *Account) Leave() {
	a.top.everyone.Add(-1)
	a.waiters.Add(-1)
}

func (a *Account) wake() {
	if a.waiters.Load() == 0 {
		return
	}
	a.mu.Lock()
	close(a.freed)
	a.freed = make(chan struct{})
	a.mu.Unlock()
}

// Under reports whether the account is other, or below it. A nil account is under none.
func (a *Account) Under(other *Account) bool {
	for at := a; at != nil; at = at.parent {
		if at == other {
			return true
		}
	}
	return false
}
