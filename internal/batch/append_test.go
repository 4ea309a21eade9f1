package batch

import (
	"fmt"
	"testing"
	"time"
)

// heardNothing is a completer for benchmarks.
type heardNothing func()

func (heardNothing) Inline() bool            { return false }
func (heardNothing) Complete(Entry, *Result) {}

// BenchmarkAppend is what a record costs in a batch: encoding, completion, and
// the checksum of full chunks.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{10, 100, 1000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			done := heardNothing(func() {})
			m := Message{Value: make([]byte, size)}
			batch := New(time.Now())
			batch.Raw = true
			m.Time = batch.BaseTime() + 3
			for b.Loop() {
				at, ok := batch.TryAppend(&m, 1_000_000)
				if !ok {
					if batch.Size() > 900_000 {
						batch.FreeBytes()
						batch.Recycle()
						batch = New(time.Now())
						batch.Raw = true
						m.Time = batch.BaseTime() + 3
					}
					batch.Grow(batch.Need(MaxRecordSize(&m), 1_000_000))
					continue
				}
				batch.Note(done, at, OwnPlace, 3)
			}
			b.ReportAllocs()
		})
	}
}
