package suite

import "testing"

func TestEveryPairMeets(t *testing.T) {
	sizes := []int{6, 7, 5, 4, 2, 1}
	rows := pairs(sizes...)
	if len(rows) < 42 || len(rows) > 80 {
		t.Errorf("got %d rows; 42 is the least possible", len(rows))
	}
	met := map[pair]bool{}
	for _, r := range rows {
		for f, v := range r {
			for g, w := range r[:f] {
				met[pair{g, w, f, v}] = true
			}
		}
	}
	for f, n := range sizes {
		for g := range f {
			for v := range n {
				for w := range sizes[g] {
					if !met[pair{g, w, f, v}] {
						t.Errorf("value %d of factor %d never meets value %d of factor %d", w, g, v, f)
					}
				}
			}
		}
	}
}
