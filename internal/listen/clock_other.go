//go:build !linux

package listen

import "time"

// monotonic: there is no systemd that would ask.
func monotonic() (time.Duration, error) { return 0, nil }
