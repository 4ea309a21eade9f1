package batch

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/gzip"
)

// gzipEncoder is a pooled writer of RFC 1952 with the slice it writes to.
type gzipEncoder struct {
	gz  *gzip.Writer
	out appendWriter
}

// gzipEncoders has one pool for each level, as the level of a writer is fixed.
var gzipEncoders [10]sync.Pool

func compressGzip(dst []byte, level int, chunks [][]byte) ([]byte, error) {
	e, err := pooledGzipEncoder(level)
	if err != nil {
		return dst, fmt.Errorf("cannot compress with gzip: %w", err)
	}
	start := len(dst)
	e.out.buf = dst
	e.gz.Reset(&e.out)
	for _, chunk := range chunks {
		if _, err = e.gz.Write(chunk); err != nil {
			break
		}
	}
	if err == nil {
		err = e.gz.Close()
	}
	dst = e.out.take()
	gzipEncoders[level].Put(e)
	if err != nil {
		return dst[:start], fmt.Errorf("cannot compress with gzip: %w", err)
	}
	return dst, nil
}

func pooledGzipEncoder(level int) (*gzipEncoder, error) {
	if e, ok := gzipEncoders[level].Get().(*gzipEncoder); ok {
		return e, nil
	}
	gzipLevel := level
	if level == 0 {
		gzipLevel = gzip.DefaultCompression // 0 would be "store" to gzip
	}
	gz, err := gzip.NewWriterLevel(nil, gzipLevel)
	if err != nil {
		return nil, err
	}
	return &gzipEncoder{gz: gz}, nil
}

// gzipDecoder is a pooled reader of RFC 1952 with the slice it reads from.
type gzipDecoder struct {
	gz gzip.Reader
	in bytes.Reader
}

var gzipDecoders = sync.Pool{New: func() any { return new(gzipDecoder) }}

func decompressGzip(dst, src []byte, limit int) ([]byte, error) {
	d := gzipDecoders.Get().(*gzipDecoder)
	defer gzipDecoders.Put(d)
	d.in.Reset(src)
	defer d.in.Reset(nil)
	if err := d.gz.Reset(&d.in); err != nil {
		return nil, noEOF(err)
	}
	return appendAll(dst, &d.gz, limit)
}

// appendAll reads r to its end and appends what it gives to dst, at most limit
// bytes. dst grows by what was read, never by what a header claims.
func appendAll(dst []byte, r io.Reader, limit int) ([]byte, error) {
	start := len(dst)
	for {
		read := len(dst) - start
		if read >= limit {
			// Only the end may follow; one byte of room tells.
			var more [1]byte
			_, err := io.ReadFull(r, more[:])
			switch {
			case err == nil:
				return nil, ErrTooLarge
			case err == io.EOF:
				return dst, nil
			}
			return nil, noEOF(err)
		}
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, min(max(512, read), limit-read))
		}
		room := min(cap(dst), start+limit)
		n, err := r.Read(dst[len(dst):room])
		dst = dst[:len(dst)+n]
		if err == io.EOF {
			return dst, nil
		}
		if err != nil {
			return nil, noEOF(err)
		}
	}
}

// noEOF makes an end of input where more was due visible as such: a bare io.EOF
// means success to most callers.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
