package realkafka

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the child when this process dies, also by
// kill -9 or by the panic of a test's timeout. The child gets a process group of
// its own, so that Ctrl-C reaches us alone and we can stop it in order.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// watchParent has nothing to do: the kernel watches.
func watchParent(*exec.Cmd) (stop func()) { return func() {} }
