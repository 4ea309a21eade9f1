//go:build unix

package usage

import (
	"os"
	"runtime"
	"syscall"
)

// PeakOf returns the largest resident set of a process that has ended, in bytes;
// 0 if the system does not tell.
func PeakOf(state *os.ProcessState) int64 {
	u, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return maxResident(u, runtime.GOOS)
}

// maxResident is in bytes on Apple's systems; all others count KiB.
func maxResident(u *syscall.Rusage, system string) int64 {
	if system == "darwin" || system == "ios" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}
