package main

import (
	"fmt"
	"os"
	"runtime"
	"strings"
)

// machine says in a few words what the benchmark runs on.
func machine() string {
	text := runtime.GOOS + "/" + runtime.GOARCH
	if model := processor(); model != "" {
		text += ", " + model
	}
	return fmt.Sprintf("%s, %d CPUs", text, onlineCPUs())
}

// processor is the model of the first CPU, where Linux tells it.
func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if name, model, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(model)
		}
	}
	return ""
}

// onlineCPUs counts the machine's CPUs, of which a measuring process may be
// allowed only one.
func onlineCPUs() int {
	info, err := os.ReadFile("/proc/cpuinfo")
	if n := strings.Count(string(info), "\nprocessor") + 1; err == nil && strings.HasPrefix(string(info), "processor") {
		return n
	}
	return runtime.NumCPU()
}
