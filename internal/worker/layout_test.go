package worker

import (
	"testing"
	"unsafe"
)

// What every message touches lies in one line of the cache (see Lane).
func TestHotFieldsShareALine(t *testing.T) {
	const line = 64
	var l Lane
	var p Partition
	for name, end := range map[string]uintptr{
		"Lane.open":       unsafe.Offsetof(l.open) + unsafe.Sizeof(l.open),
		"Lane.marks":      unsafe.Offsetof(l.marks) + unsafe.Sizeof(l.marks),
		"Partition.first": unsafe.Offsetof(p.first) + unsafe.Sizeof(p.first),
		"Partition.cfg":   unsafe.Offsetof(p.cfg) + unsafe.Sizeof(p.cfg),
	} {
		if end > line {
			t.Errorf("%s ends at byte %d, behind the first line", name, end)
		}
	}
}
