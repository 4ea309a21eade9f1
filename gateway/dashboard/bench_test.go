package dashboard

import (
	"testing"
	"time"
)

// BenchmarkTick is what a second costs beside the producer's own snapshot, of a
// large producer and with nobody watching.
func BenchmarkTick(b *testing.B) {
	board, err := New()
	if err != nil {
		b.Fatal(err)
	}
	defer board.Close()
	stats, at := many(1000, 10, 1), noon
	for b.Loop() {
		at = at.Add(time.Second)
		board.take(at, stats)
	}
}

// BenchmarkFrame is what a second costs for all viewers together.
func BenchmarkFrame(b *testing.B) {
	board, err := New()
	if err != nil {
		b.Fatal(err)
	}
	defer board.Close()
	board.take(noon, many(1000, 10, 1))
	for b.Loop() {
		b.SetBytes(int64(len(board.renderFrame())))
	}
}
