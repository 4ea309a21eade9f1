//go:build !linux

package usage

// Resident returns 0: this platform tells the present resident set only to
// those who ask it through C.
func Resident() int64 { return 0 }
