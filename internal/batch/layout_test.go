package batch

import (
	"testing"
	"unsafe"
)

// What every message touches lies in two lines of the cache (see Batch).
func TestHotFieldsShareLines(t *testing.T) {
	const line = 64
	var b Batch
	if end := unsafe.Offsetof(b.Raw) + unsafe.Sizeof(b.Raw); end > line {
		t.Errorf("Raw ends at byte %d, behind the first line", end)
	}
	if end := unsafe.Offsetof(b.fewEntries) + unsafe.Sizeof(b.fewEntries[0]); end > 2*line {
		t.Errorf("the first completion ends at byte %d, behind the second line", end)
	}
}
