// Package machine owns the form that the tables of the state machines have (a
// topic's, a worker's, a batch's, a connection's: each lies in a state.go beside what
// it moves), and what becomes of a move that a table does not have:
//
//	move(to) ──► table ──► legal: made, and told as an event
//	               └─────► Illegal ──► built with -tags invariants: panics, at the line that made it
//	                          └──────► else: counted, and told to every watcher, which logs it
//
// Such a move is a fault of the engine. A test must not miss it; a program that has
// other things to do must not die of it.
package machine

import (
	"fmt"
	"sync"
	"sync/atomic"
)

var (
	illegal  atomic.Int64
	mu       sync.Mutex // guards the following
	watchers = map[*func(string)]struct{}{}
)

// Illegal takes a move that the table of a machine does not have. It may be called
// under any lock: watchers run on a goroutine of their own.
func Illegal(name string, from, to fmt.Stringer) {
	text := fmt.Sprintf("BUG: %s moves from %v to %v", name, from, to)
	if Strict {
		panic(text)
	}
	illegal.Add(1)
	mu.Lock()
	defer mu.Unlock()
	for watcher := range watchers {
		go (*watcher)(text)
	}
}

// Count is the number of illegal moves in this process.
func Count() int64 { return illegal.Load() }

// Watch has every illegal move from now on told to watcher, until stop is called.
func Watch(watcher func(text string)) (stop func()) {
	mu.Lock()
	defer mu.Unlock()
	key := &watcher
	watchers[key] = struct{}{}
	return func() {
		mu.Lock()
		defer mu.Unlock()
		delete(watchers, key)
	}
}
