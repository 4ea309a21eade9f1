package suite

// pairs chooses rows so that every two values of two different factors meet in
// some row. sizes are the numbers of values of each factor; a row holds one value
// for each. Faults that need three values to meet are rare, and all rows are many
// times more: seven strategies, six verbs, five codecs, ... make thousands.
func pairs(sizes ...int) [][]int {
	open := map[pair]bool{}
	for f, n := range sizes {
		for g := range f {
			for v := range n {
				for w := range sizes[g] {
					open[pair{g, w, f, v}] = true
				}
			}
		}
	}
	var rows [][]int
	for f, n := range sizes {
		for g := range f {
			for v := range n {
				for w := range sizes[g] {
					if open[pair{g, w, f, v}] {
						rows = append(rows, row(open, sizes, pair{g, w, f, v}))
					}
				}
			}
		}
	}
	return rows
}

// pair is value w of factor g together with value v of factor f; g is below f.
type pair struct{ g, w, f, v int }

// row makes a row that holds one pair, and chooses each other value so that it
// meets as many new partners as possible.
func row(open map[pair]bool, sizes []int, must pair) []int {
	const unset = -1
	r := make([]int, len(sizes))
	for f := range r {
		r[f] = unset
	}
	r[must.g], r[must.f] = must.w, must.v
	fresh := func(f, v int) (n int) {
		for g, w := range r {
			if w != unset && g != f && open[ordered(g, w, f, v)] {
				n++
			}
		}
		return n
	}
	for f, n := range sizes {
		if r[f] != unset {
			continue
		}
		best := 0
		for v := range n {
			if fresh(f, v) > fresh(f, best) {
				best = v
			}
		}
		r[f] = best
	}
	for f, v := range r {
		for g, w := range r[:f] {
			delete(open, pair{g, w, f, v})
		}
	}
	return r
}

func ordered(g, w, f, v int) pair {
	if g > f {
		return pair{f, v, g, w}
	}
	return pair{g, w, f, v}
}
