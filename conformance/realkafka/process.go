package realkafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// logTailBytes bounds what LogTail and error texts quote from a log.
const logTailBytes = 8 << 10

// process is one running child, with its output in a file. It lives until it
// exits, is killed, or this process dies.
type process struct {
	cmd     *exec.Cmd
	log     string
	logFrom int64         // where in log this process began
	done    chan struct{} // closed when the child is gone
	waitErr error         // how it went; read only after done
}

// startProcess runs command with its output appended to the file log.
//
// The goroutine which starts the child stays on its operating system thread
// until the child is gone. Linux sends the parent-death signal when the
// *thread* that made the child exits, not the process: were the thread free, the
// Go runtime could end it (after another goroutine locked it and returned) and a
// healthy broker would be killed.
func startProcess(command *exec.Cmd, log string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, fmt.Errorf("cannot open the log of %s: %w", filepath.Base(command.Path), err)
	}
	defer output.Close()
	command.Stdout, command.Stderr = output, output
	dieWithParent(command)
	info, err := output.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot read the size of %s: %w", log, err)
	}
	p := &process{cmd: command, log: log, logFrom: info.Size(), done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := command.Start()
		started <- err
		if err != nil {
			return
		}
		stopWatching := watchParent(command)
		p.waitErr = command.Wait()
		stopWatching()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start %s: %w", command.Path, err)
	}
	return p, nil
}

// alive reports whether the child still runs (a paused one does).
func (p *process) alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// signal sends sig to the child. A child which is gone already is no error.
func (p *process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot send %v to process %d: %w", sig, p.cmd.Process.Pid, err)
	}
	return nil
}

// kill ends the child without asking it and waits until it is gone.
func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("cannot kill process %d: %w", p.cmd.Process.Pid, err)
	}
	<-p.done
	return nil
}

// terminate asks the child to end and waits for it; when ctx ends first, the
// child is killed and the error says so.
func (p *process) terminate(ctx context.Context) error {
	if err := interrupt(p); err != nil {
		return err
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		return errors.Join(
			fmt.Errorf("process %d did not end when asked and was killed: %w", p.cmd.Process.Pid, ctx.Err()),
			p.kill())
	}
}

// tail is the end of the log, at most logTailBytes, from the start of a line.
func (p *process) tail() string { return tailOf(p.log) }

// printed reports whether text is in what this process wrote to its log.
func (p *process) printed(text string) bool {
	content, err := os.ReadFile(p.log)
	return err == nil && int64(len(content)) > p.logFrom && bytes.Contains(content[p.logFrom:], []byte(text))
}

func tailOf(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Sprintf("(no log: %v)", err)
	}
	from := max(0, info.Size()-logTailBytes)
	text := make([]byte, info.Size()-from)
	n, _ := file.ReadAt(text, from)
	tail := string(text[:n])
	if from > 0 {
		_, tail, _ = strings.Cut(tail, "\n")
	}
	return tail
}

// run executes a short-lived command and answers its standard output. On failure
// the error carries the end of what it printed.
func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	var stdout, stderr strings.Builder
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stdout, command.Stderr = dir, &stdout, &stderr
	dieWithParent(command)
	runtime.LockOSThread() // see startProcess: the parent is a thread
	defer runtime.UnlockOSThread()
	if err := command.Run(); err != nil {
		printed := stdout.String() + stderr.String()
		printed = printed[max(0, len(printed)-logTailBytes):]
		return "", fmt.Errorf("cannot run %s: %w\n%s", filepath.Base(name), errors.Join(err, ctx.Err()), printed)
	}
	return stdout.String(), nil
}
