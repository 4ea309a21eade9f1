package usage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Of returns the CPU time of another process so far, user and system of all its
// threads, as getrusage would tell that process itself.
func Of(pid int) (time.Duration, error) {
	// clock_getcpuclockid(3): the id of the clock of a process.
	const wholeProcess = 2
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid)<<3|wholeProcess, &t); err != nil {
		return 0, fmt.Errorf("cannot read the CPU time of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// ResidentOf returns the present and the largest resident set of another
// process, in bytes.
func ResidentOf(pid int) (now, peak int64, err error) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, 0, fmt.Errorf("cannot read the memory of process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(text)) {
		name, rest, _ := strings.Cut(line, ":")
		kib, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
		n, bad := strconv.ParseInt(kib, 10, 64)
		switch {
		case bad != nil:
		case name == "VmRSS":
			now = n << 10
		case name == "VmHWM":
			peak = n << 10
		}
	}
	if now == 0 {
		return 0, 0, fmt.Errorf("cannot read the memory of process %d: the system does not tell", pid)
	}
	return now, peak, nil
}
