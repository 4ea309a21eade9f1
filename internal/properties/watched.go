package properties

import (
	"fmt"
	"os"
	"sync"
	"time"
)

// watched is something read from files, and read again when they have changed,
// so that renewed certificates need no restart. While the new files are unusable
// (a certificate is often replaced before its key) the last good ones serve.
// Safe for concurrent use.
type watched[T any] struct {
	files []string
	load  func() (T, error)

	mu     sync.Mutex // guards the following
	stamps []stamp
	value  T
	good   bool
}

type stamp struct {
	modified time.Time
	size     int64
}

func newWatched[T any](files []string, load func() (T, error)) *watched[T] {
	return &watched[T]{files: files, load: load}
}

// get looks at the files' times and sizes, and reads them if those are new. The
// stamps are taken before the reading: a file that changes in between has
// changed again at the next look.
func (w *watched[T]) get() (T, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, err := w.look()
	if err == nil && (!w.good || !equalStamps(now, w.stamps)) {
		var fresh T
		if fresh, err = w.load(); err == nil {
			w.value, w.good, w.stamps = fresh, true, now
		}
	}
	if w.good {
		return w.value, nil
	}
	return w.value, err
}

func (w *watched[T]) look() ([]stamp, error) {
	stamps := make([]stamp, len(w.files))
	for i, name := range w.files {
		info, err := os.Stat(name)
		if err != nil {
			return nil, fmt.Errorf("cannot look at a file: %w", err)
		}
		stamps[i] = stamp{info.ModTime(), info.Size()}
	}
	return stamps, nil
}

func equalStamps(a, b []stamp) bool {
	for i := range a {
		if !a[i].modified.Equal(b[i].modified) || a[i].size != b[i].size {
			return false
		}
	}
	return len(a) == len(b)
}
