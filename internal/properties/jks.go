package properties

import "encoding/binary"

// checkJKS walks a JKS store by its lengths, each of which must lie within the
// file: the library that reads it takes memory for what a length claims before it
// looks for the bytes, up to 4 GiB for a file of a few hundred bytes.
//
//	magic, version, count: 4 bytes each; then for each entry
//	  tag 1: tag 4, alias 2+n, time 8, key 4+n, certificates 4, each of them
//	  tag 2: tag 4, alias 2+n, time 8, one certificate
//	  a certificate: from version 2 on its type 2+n; then 4+n
//	then a digest of 20 bytes
func checkJKS(store []byte) (ok bool) {
	w := walk{rest: store, ok: true}
	w.skip(4) // magic
	version := w.uint32()
	certificate := func() {
		if version >= 2 {
			w.skip(int64(w.uint16()))
		}
		w.skip(int64(w.uint32()))
	}
	for n := w.uint32(); n > 0 && w.ok; n-- {
		tag := w.uint32()
		w.skip(int64(w.uint16())) // alias
		w.skip(8)
		switch tag {
		case 1:
			w.skip(int64(w.uint32()))
			for chain := w.uint32(); chain > 0 && w.ok; chain-- {
				certificate()
			}
		case 2:
			certificate()
		default:
			return false
		}
	}
	return w.ok
}

// walk passes over bytes, and is not ok once there are too few.
type walk struct {
	rest []byte
	ok   bool
}

func (w *walk) skip(n int64) []byte {
	if !w.ok || n > int64(len(w.rest)) {
		w.ok = false
		return nil
	}
	passed := w.rest[:n]
	w.rest = w.rest[n:]
	return passed
}

func (w *walk) uint16() uint16 {
	if p := w.skip(2); p != nil {
		return binary.BigEndian.Uint16(p)
	}
	return 0
}

func (w *walk) uint32() uint32 {
	if p := w.skip(4); p != nil {
		return binary.BigEndian.Uint32(p)
	}
	return 0
}
