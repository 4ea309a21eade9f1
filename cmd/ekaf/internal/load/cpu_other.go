//go:build !unix

package load

import "time"

// processCPU is 0: this system does not tell in the same way.
func processCPU() time.Duration { return 0 }
