package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Outcomes that come slowly are waited for; those that come no more are not.
func TestOutcomesThatStillComeAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReport(newConsole(t.Output()))
		r.handed(5, 5)
		go func() {
			for line := range int64(4) {
				time.Sleep(4 * time.Second)
				r.failedLines(line, 1, errors.New("cannot be delivered"))
			}
		}()
		began := time.Now()
		r.settle()
		if failed, left := r.failures(), r.pending(); failed != 4 || left != 1 {
			t.Errorf("%d lines failed, %d have no outcome", failed, left)
		}
		if took := time.Since(began); took < 21*time.Second || took > 22*time.Second {
			t.Errorf("waited for %v", took)
		}
	})
}
