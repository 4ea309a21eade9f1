//go:build race

package batch

// raceEnabled: under the race detector sync.Pool drops items at random.
const raceEnabled = true
