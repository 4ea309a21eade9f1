package realkafka

import (
	"errors"
	"os/exec"
)

// dieWithParent has no simple equal on Windows: brokers outlive a killed test.
func dieWithParent(*exec.Cmd) {}

func watchParent(*exec.Cmd) (stop func()) { return func() {} }

// interrupt ends the child at once: Windows has no SIGTERM.
func interrupt(p *process) error { return p.kill() }

func (p *process) pause() error {
	return errors.New("cannot pause a broker on Windows: it has no SIGSTOP")
}

func (p *process) resume() error {
	return errors.New("cannot resume a broker on Windows: it has no SIGCONT")
}
