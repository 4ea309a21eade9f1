package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/bench/broker"
	"github.com/ekaf-go/ekaf/bench/load"
)

// Roles, which are pinned to CPUs of their own.
const (
	roleBroker = iota
	roleClient
)

// brokerProcess is this program again, as the counting broker.
type brokerProcess struct {
	control
	cmd   *exec.Cmd
	stdin io.Closer // closing it ends the process
	addr  string
}

func startBroker(ctx context.Context, pin bool) (*brokerProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	b := &brokerProcess{cmd: exec.CommandContext(ctx, self, "broker")}
	b.cmd.Stderr = os.Stderr
	stdin, err := b.cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	b.stdin = stdin
	stdout, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	if err := start(b.cmd, roleBroker, 1, pin); err != nil {
		return nil, fmt.Errorf("cannot start the broker: %w", err)
	}
	var port string
	if _, err := fmt.Fscanf(stdout, "kafka %s control %s\n", &b.addr, &port); err != nil {
		b.stop()
		return nil, fmt.Errorf("cannot read the broker's address: %w", err)
	}
	if b.control, err = dialControl(port); err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func start(cmd *exec.Cmd, role, cpus int, pin bool) error {
	if pin {
		return startOn(cmd, role, max(cpus, 1))
	}
	return cmd.Start()
}

// prepare makes the broker ready for a sample.
func (b *brokerProcess) prepare(_ context.Context, row load.Row, verify bool) (place, error) {
	topic := fmt.Sprintf("bench-%d", row.Partitions)
	check, delay := "verify off", "delay "+row.Delay.String()
	if verify {
		check = "verify on"
	}
	if row.DelayAll {
		delay += " all"
	}
	for _, line := range []string{fmt.Sprintf("topic %s:%d", topic, row.Partitions), delay, check, "away off", "reset"} {
		if _, err := b.ask(line); err != nil {
			return place{}, err
		}
	}
	return place{broker: b.addr, control: b.control.addr, topic: topic}, nil
}

func (b *brokerProcess) counted(context.Context) (broker.Counters, error) { return b.counters() }

// stop ends the broker and waits for it.
func (b *brokerProcess) stop() {
	b.control.close()
	b.stdin.Close()
	b.cmd.Wait() // it was told to end; how it did is nobody's concern
}

// measureIn runs one job in a process of its own, on the CPU of a role: who
// asks a server leaves that of the client to the server.
func measureIn(ctx context.Context, job Job, role int, pin bool) (Sample, error) {
	self, err := os.Executable()
	if err != nil {
		return Sample{}, fmt.Errorf("cannot start a client: %w", err)
	}
	in, err := json.Marshal(job)
	if err != nil {
		return Sample{}, fmt.Errorf("cannot start a client: %w", err)
	}
	// The client ends itself at job.Timeout and says why; this is for one
	// that is stuck in spite of that.
	ctx, cancel := context.WithTimeout(ctx, job.Timeout+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, self, "measure")
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := start(cmd, role, job.Row.CPUs, pin); err != nil {
		return Sample{}, fmt.Errorf("cannot start a client: %w", err)
	}
	if err := cmd.Wait(); err != nil {
		return Sample{}, fmt.Errorf("%s: %w: %s", job.Client, err, lastLine(errs.String()))
	}
	var s Sample
	if err := json.Unmarshal(out.Bytes(), &s); err != nil {
		return s, fmt.Errorf("cannot read what %s measured: %w", job.Client, err)
	}
	return s, nil
}

// lastLine keeps errors short: a panic's first lines would be kept otherwise.
func lastLine(s string) string {
	s = strings.TrimSpace(s)
	if strings.Contains(s, "panic:") || strings.Contains(s, "fatal error:") {
		first, _, _ := strings.Cut(s, "\n")
		return first
	}
	return s[strings.LastIndexByte(s, '\n')+1:]
}
