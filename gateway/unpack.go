package gateway

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// unpackers keep the decoders of compressed bodies, which are costly to make.
// What a decoder may allocate is bounded apart from what it puts out: a few
// bytes of zstd can ask for a window of gigabytes.
var (
	gunzips = sync.Pool{New: func() any { return new(gzip.Reader) }}
	unzstds = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true),
			zstd.WithDecoderMaxWindow(zstdWindow))
		if err != nil { // only wrong options are refused
			panic(err)
		}
		return d
	}}
)

// zstdWindow is the largest window taken: what RFC 8878, section 3.1.1.1.2,
// recommends decoders to support, and compressors to stay within.
const zstdWindow = 8 << 20

// unpack decompresses packed into body.
func (x *exchange) unpack(name string) *StatusError {
	x.settle(&x.body)
	var err error
	switch name {
	case "gzip", "x-gzip":
		err = x.gunzip()
	case "zstd":
		err = x.unzstd()
	default:
		return &StatusError{
			Status: http.StatusUnsupportedMediaType, Message: "a body is taken as it is or compressed once, with gzip or zstd",
			Header: http.Header{"Accept-Encoding": {"gzip, zstd, identity"}},
		}
	}
	if err == nil {
		return nil
	}
	if _, own := errors.AsType[*StatusError](err); own || errors.Is(err, errTooLarge) {
		return x.unreadable(err)
	}
	return refusal(http.StatusUnprocessableEntity, "the body is not %s: %v", name, err)
}

func (x *exchange) gunzip() error {
	z := gunzips.Get().(*gzip.Reader)
	defer gunzips.Put(z)
	if err := z.Reset(bytes.NewReader(x.packed)); err != nil {
		return whole(err)
	}
	return whole(x.fill(&x.body, z))
}

func (x *exchange) unzstd() error {
	z := unzstds.Get().(*zstd.Decoder)
	defer func() {
		_ = z.Reset(nil) // lets the request's bytes go
		unzstds.Put(z)
	}()
	if err := z.Reset(bytes.NewReader(x.packed)); err != nil {
		return whole(err)
	}
	return whole(x.fill(&x.body, z))
}

// whole keeps an end in the midst apart from the end that readers announce.
func whole(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
