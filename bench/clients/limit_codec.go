package clients

import (
	"bytes"
	"fmt"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

// codec compresses the records of batches, one after another, with one encoder
// at its default level.
type codec struct {
	attributes uint16
	encode     func(dst, records []byte) ([]byte, error)
}

func newCodec(name string) (codec, error) {
	switch name {
	case "none":
		return codec{}, nil
	case "gzip":
		w := gzip.NewWriter(nil)
		return codec{1, stream(w, func(dst io.Writer) { w.Reset(dst) })}, nil
	case "snappy":
		return codec{2, func(dst, records []byte) ([]byte, error) {
			at := len(dst)
			dst = append(dst, make([]byte, s2.MaxEncodedLen(len(records)))...)
			return dst[:at+len(s2.EncodeSnappy(dst[at:], records))], nil
		}}, nil
	case "lz4":
		w := lz4.NewWriter(nil)
		return codec{3, stream(w, func(dst io.Writer) { w.Reset(dst) })}, nil
	case "zstd":
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		if err != nil {
			return codec{}, fmt.Errorf("cannot use zstd: %w", err)
		}
		return codec{4, func(dst, records []byte) ([]byte, error) { return w.EncodeAll(records, dst), nil }}, nil
	}
	return codec{}, fmt.Errorf("cannot compress with %q: there is no such codec", name)
}

// stream turns a writer which can be reset into an encode function.
func stream(w io.WriteCloser, reset func(io.Writer)) func(dst, records []byte) ([]byte, error) {
	return func(dst, records []byte) ([]byte, error) {
		out := bytes.NewBuffer(dst)
		reset(out)
		if _, err := w.Write(records); err != nil {
			return nil, fmt.Errorf("cannot compress: %w", err)
		}
		if err := w.Close(); err != nil {
			return nil, fmt.Errorf("cannot compress: %w", err)
		}
		return out.Bytes(), nil
	}
}
