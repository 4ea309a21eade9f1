package usage

import (
	"os"
	"syscall"
	"time"
)

// Read returns the CPU time of the process so far, user and system. Its peak
// memory is not told here.
func Read() (cpu time.Duration, peak int64) {
	var created, ended, kernel, user syscall.Filetime
	p, err := syscall.GetCurrentProcess()
	if err != nil || syscall.GetProcessTimes(p, &created, &ended, &kernel, &user) != nil {
		return 0, 0
	}
	ticks := func(f syscall.Filetime) int64 { return int64(f.HighDateTime)<<32 | int64(f.LowDateTime) }
	return time.Duration(100 * (ticks(kernel) + ticks(user))), 0
}

// PeakOf returns 0: the peak of a process is not told here.
func PeakOf(*os.ProcessState) int64 { return 0 }
