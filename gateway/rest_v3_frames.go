package gateway

import (
	"errors"
	"io"
)

// frames cuts a stream of JSON objects, one after another, into objects. It
// looks at no more than strings and braces: what is between them is for the
// decoder to judge.
//
//	 {"value":1}  {"value":2}\n{"val
//	└─ space ─┘└── object ──┘ └─ to be continued: read more
type frames struct {
	from  io.Reader
	limit int               // bytes of one object
	grow  func(n int) error // asks for n bytes of memory; below 0, which never fails: gives them back
	begin func(midst bool)  // called before each read; midst: of an object

	buf   []byte
	at    int // where the next object begins, or is looked for
	seen  int // up to where the object was looked at
	depth int
	text  bool // inside a string
	slash bool // behind a backslash
}

// What ends a stream of objects, beside io.EOF and errors of the reader.
var (
	errNotObject     = errors.New("not JSON: records are objects, one after another, with nothing but space between them")
	errObjectTooLong = errors.New("the record is larger than one may be")
)

// Memory of a stream that waits for its next object: at first, and at most.
const (
	firstFrames = 4 << 10
	keepFrames  = 64 << 10
)

// next gives an object, valid until the call after. io.EOF: the stream ended
// between objects; io.ErrUnexpectedEOF: in the midst of one.
func (f *frames) next() ([]byte, error) {
	for {
		if end, err := f.scan(); err != nil || end > 0 {
			object := f.buf[f.at:max(end, f.at)]
			f.at, f.seen = end, end
			return object, err
		}
		if f.seen-f.at > f.limit {
			return nil, errObjectTooLong
		}
		if err := f.read(); err != nil {
			if err == io.EOF && f.seen > f.at {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
}

// scan looks at what was read, and gives the end of the object if it is there.
func (f *frames) scan() (end int, err error) {
	for ; f.seen < len(f.buf); f.seen++ {
		c := f.buf[f.seen]
		switch {
		case f.depth == 0 && (c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			f.at = f.seen + 1
		case f.depth == 0 && c != '{':
			return 0, errNotObject
		case f.slash:
			f.slash = false
		case f.text:
			f.slash, f.text = c == '\\', c != '"'
		case c == '"':
			f.text = true
		case c == '{' || c == '[':
			f.depth++
		case c == '}' || c == ']':
			if f.depth--; f.depth == 0 {
				return f.seen + 1, f.short(f.seen + 1)
			}
		}
	}
	return 0, nil
}

// short refuses an object that came as a whole and is too long all the same.
func (f *frames) short(end int) error {
	if end-f.at > f.limit {
		return errObjectTooLong
	}
	return nil
}

// read makes room behind what is not used up, and reads into it once.
func (f *frames) read() error {
	if f.at > 0 {
		f.buf = append(f.buf[:0], f.buf[f.at:]...)
		f.at, f.seen = 0, f.seen-f.at
	}
	if len(f.buf) == 0 && cap(f.buf) > keepFrames {
		_ = f.grow(-cap(f.buf))
		f.buf = nil
	}
	if len(f.buf) == cap(f.buf) {
		more := max(len(f.buf), firstFrames)
		if err := f.grow(more); err != nil {
			return err
		}
		f.buf = append(make([]byte, 0, len(f.buf)+more), f.buf...)
	}
	f.begin(f.seen > f.at)
	n, err := f.from.Read(f.buf[len(f.buf):cap(f.buf)])
	f.buf = f.buf[:len(f.buf)+n]
	if n > 0 {
		return nil // an error comes again
	}
	return err
}
