//go:build unix

package realkafka

import "syscall"

// interrupt asks the child to end in order.
func interrupt(p *process) error { return p.signal(syscall.SIGTERM) }

// pause stops the child's execution; its sockets stay open and silent.
func (p *process) pause() error { return p.signal(syscall.SIGSTOP) }

// resume undoes pause.
func (p *process) resume() error { return p.signal(syscall.SIGCONT) }
