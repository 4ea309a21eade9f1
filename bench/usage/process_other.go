//go:build !linux

package usage

import (
	"errors"
	"time"
)

var errOther = errors.New("cannot measure another process: only Linux tells")

// Of returns an error: only Linux tells the CPU time of another process.
func Of(int) (time.Duration, error) { return 0, errOther }

// ResidentOf returns an error: only Linux tells the memory of another process.
func ResidentOf(int) (now, peak int64, err error) { return 0, 0, errOther }
