package payload

import (
	"bytes"
	"iter"
)

// Lines walks the lines of a body that hold anything, with their numbers from 1.
// A line ends at \n or \r\n; the last one needs no end.
func Lines(body []byte) iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		for number := 1; len(body) > 0; number++ {
			line := body
			if end := bytes.IndexByte(body, '\n'); end >= 0 {
				line, body = body[:end], body[end+1:]
			} else {
				body = nil
			}
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			if len(line) > 0 && !yield(number, line[:len(line):len(line)]) {
				return
			}
		}
	}
}
