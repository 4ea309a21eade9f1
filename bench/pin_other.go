//go:build !linux

package main

import "os/exec"

// startOn starts cmd: this platform has no way to pin it to a CPU.
func startOn(cmd *exec.Cmd, _, _ int) error { return cmd.Start() }
