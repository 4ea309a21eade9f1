package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// startOn starts cmd on so many CPUs: the broker's begin with the first of the
// machine, the client's with the second. They share one only where there are
// too few.
//
// A child inherits the affinity of the thread which forks it, and Go sizes
// itself by that at its start; so this thread wears the mask for a moment, and
// nothing has to run in the child first.
func startOn(cmd *exec.Cmd, role, cpus int) error {
	runtime.LockOSThread()
	var old unix.CPUSet
	if err := unix.SchedGetaffinity(0, &old); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cannot read the CPUs allowed: %w", err)
	}
	var allowed []int
	for cpu := range len(old) * 64 {
		if old.IsSet(cpu) {
			allowed = append(allowed, cpu)
		}
	}
	var mask unix.CPUSet
	for i := range min(cpus, len(allowed)) {
		mask.Set(allowed[(role+i)%len(allowed)])
	}
	if err := unix.SchedSetaffinity(0, &mask); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("cannot pin to a CPU: %w", err)
	}
	err := cmd.Start()
	// If the mask cannot be taken off, the thread stays locked, and so ends
	// with its goroutine instead of running others on one CPU.
	if undo := unix.SchedSetaffinity(0, &old); undo == nil {
		runtime.UnlockOSThread()
	}
	return err
}
