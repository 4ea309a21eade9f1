package properties

import (
	"iter"
	"strings"
)

// Nearest finds the known name that is fewest edits away from a mistyped one,
// or "" if none is near.
func Nearest(name string, known iter.Seq[string]) string {
	name = strings.ToLower(name)
	best, bestAt := "", len(name)/3+1
	for candidate := range known {
		d := editDistance(name, candidate, bestAt)
		if d < bestAt || d == bestAt && best != "" && candidate < best {
			best, bestAt = candidate, d
		}
	}
	return best
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours between a and b; any distance above limit is reported as limit+1.
func editDistance(a, b string, limit int) int {
	if abs(len(a)-len(b)) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(b)], limit+1)
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
