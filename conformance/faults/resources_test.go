package faults

import "testing"

func resources() []scenario { return nil }

// TestResources: P4 and P8.
func TestResources(t *testing.T) { play(t, resources()) }
