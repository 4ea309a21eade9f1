//go:build unix && !linux

package realkafka

import (
	"os/exec"
	"strconv"
	"syscall"
)

// dieWithParent gives the child a process group of its own, so that Ctrl-C
// reaches us alone; watchParent does the rest where the kernel cannot.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

// watchParent starts a shell which kills the child's process group when its
// standard input ends. That pipe is held by this process alone, so it ends when
// this process dies, however it dies. Stopping closes the pipe after the child is
// gone; the shell then finds nobody to kill.
func watchParent(command *exec.Cmd) (stop func()) {
	watcher := exec.Command("/bin/sh", "-c", "read _; kill -9 -"+strconv.Itoa(command.Process.Pid)+" 2>/dev/null")
	watcher.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	pipe, err := watcher.StdinPipe()
	if err != nil {
		return func() {}
	}
	if err := watcher.Start(); err != nil {
		pipe.Close()
		return func() {}
	}
	return func() {
		watcher.Process.Kill()
		watcher.Wait()
		pipe.Close()
	}
}
