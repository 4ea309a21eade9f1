package batch

// blockCutter cuts the concatenation of chunks into blocks of one size, for the
// codecs that compress block by block. A block that lies within a chunk is
// handed out in place; only one that spans chunks is gathered in scratch.
//
//	chunks   |----|---------------|------|
//	blocks   |-------|-------|-------|---|
//	          gather  in place gather  in place
type blockCutter struct {
	rest    []byte   // what is left of the chunk being cut
	chunks  [][]byte // the chunks after it; the caller's, never written
	scratch []byte   // its length is the size of a block
}

// next returns the next block, which is valid until the following call, or an
// empty one after the last. Only the last block is shorter than the others.
func (c *blockCutter) next() []byte {
	size := len(c.scratch)
	c.skipToData()
	if len(c.rest) >= size || len(c.chunks) == 0 {
		return c.cut(size)
	}
	n := 0
	for n < size && len(c.rest) > 0 {
		n += copy(c.scratch[n:], c.cut(size-n))
		c.skipToData()
	}
	return c.scratch[:n]
}

// skipToData moves to the next chunk that is not empty, if there is one.
func (c *blockCutter) skipToData() {
	for len(c.rest) == 0 && len(c.chunks) > 0 {
		c.rest, c.chunks = c.chunks[0], c.chunks[1:]
	}
}

// cut takes up to n bytes from the current chunk.
func (c *blockCutter) cut(n int) []byte {
	n = min(n, len(c.rest))
	block := c.rest[:n]
	c.rest = c.rest[n:]
	return block
}
