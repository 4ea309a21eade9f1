package suite

import "github.com/ekaf-go/ekaf"

var codecs = []ekaf.Codec{ekaf.NoCompression, ekaf.Gzip, ekaf.Snappy, ekaf.LZ4, ekaf.Zstd}

func codecNeeds(c ekaf.Codec) Capability {
	if c == ekaf.Zstd {
		return Zstd
	}
	return 0
}

// everyCodec: batches of each codec are read back, small ones and such as do not
// get smaller, and those of the strongest level.
func everyCodec(t *Trial) {
	levels := map[ekaf.Codec]int{ekaf.Gzip: 9, ekaf.LZ4: 12, ekaf.Zstd: 19}
	for _, codec := range codecs {
		if needs := codecNeeds(codec); t.Cluster.Can()&needs != needs {
			continue
		}
		t.each(codec.String(), func(t *Trial) {
			f := newFlow(t, t.topic(2, nil))
			f.size = 300
			for i, option := range []ekaf.Option{ekaf.Compression(codec), ekaf.CompressionLevel(codec, levels[codec])} {
				p := t.producer(option)
				for _, v := range []verb{verbs[0], verbs[3]} {
					f.feed(p, 2*i, v, 100)
				}
				t.flush(p)
			}
			f.verify(rules{keyed: true, offsets: true})
		})
	}
}
