//go:build linux

package usage

import (
	"os"
	"testing"
	"time"
)

// What is told of a process from outside is what it is told itself.
func TestAnotherProcessIsMeasured(t *testing.T) {
	var own, got time.Duration
	var err error
	sum := uint64(1)
	for own < 100*time.Millisecond || got < own/2 {
		for i := range uint64(1e6) {
			sum = sum*31 + i
		}
		own, _ = Read()
		if got, err = Of(os.Getpid()); err != nil || got > 2*own+time.Second {
			t.Fatalf("the process used %v, from outside %v, %v (%d)", own, got, err, sum)
		}
	}
	now, peak, err := ResidentOf(os.Getpid())
	if err != nil || now <= 1<<20 || peak < now {
		t.Errorf("it holds %d bytes, at most %d, %v", now, peak, err)
	}
	const nobody = 1<<22 + 1 // above the system's largest number
	if _, err := Of(nobody); err == nil {
		t.Error("CPU of nobody")
	}
	if _, _, err := ResidentOf(nobody); err == nil {
		t.Error("memory of nobody")
	}
}
