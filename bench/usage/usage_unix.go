//go:build unix

package usage

import (
	"runtime"
	"syscall"
	"time"
)

// Read returns the CPU time of the process so far, user and system, and its
// largest resident set in bytes; zeros if the system does not tell.
func Read() (cpu time.Duration, peak int64) {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0, 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), maxResident(&u, runtime.GOOS)
}
