package memory

import "sync"

// Chunk is a piece of memory from the pool. Buf has length 0 and the capacity asked for.
type Chunk struct {
	Buf   []byte
	class int // index into classes, or -1: made to measure and left to the collector
}

var classes = [...]int{1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20}

var pools [len(classes)]sync.Pool

// classOf is the smallest class that holds n bytes, or -1.
func classOf(n int) int {
	for i, size := range classes {
		if n <= size {
			return i
		}
	}
	return -1
}

// CapacityFor is the capacity that Take(n) gives, to be charged beforehand.
func CapacityFor(n int) int {
	if class := classOf(n); class >= 0 {
		return classes[class]
	}
	return n
}

// Take gives a chunk of at least n bytes.
func Take(n int) *Chunk {
	class := classOf(n)
	if class < 0 {
		return &Chunk{Buf: make([]byte, 0, n), class: -1}
	}
	if c, ok := pools[class].Get().(*Chunk); ok {
		return c
	}
	return &Chunk{Buf: make([]byte, 0, classes[class]), class: class}
}

// Give returns a chunk. Nobody may hold its bytes any more: no request that is
// being written, no reader (ENGINE_RULES 8 is kept by the batch that owns it).
func Give(c *Chunk) {
	if c.class < 0 {
		return
	}
	c.Buf = c.Buf[:0]
	pools[c.class].Put(c)
}
