package usage

import "testing"

func TestReadGrows(t *testing.T) {
	before, _ := Read()
	sum := uint64(1)
	for after := before; after <= before; after, _ = Read() {
		for i := range uint64(1e6) {
			sum = sum*31 + i
		}
	}
	if cpu, _ := Read(); cpu <= before {
		t.Errorf("CPU time fell from %v to %v (%d)", before, cpu, sum)
	}
}
