package suite

import "github.com/ekaf-go/ekaf"

var codecs = []ekaf.Codec{ekaf.NoCompression, ekaf.Gzip, ekaf.Snappy, ekaf.LZ4, ekaf.Zstd}

func codecNeeds(c ekaf.Codec) Capability {
	if c == ekaf.Zstd {
		return Zstd
	}
	return 0
}

// compressed: at least one batch of the topic really has the codec; those that
// did not get smaller by it are sent as they are.
func (t *Trial) compressed(topic string, codec ekaf.Codec) {
	t.Helper()
	for _, r := range t.read(topic) {
		if r.Attrs.CompressionType() == uint8(codec) {
			return
		}
	}
	t.Errorf("no batch is compressed with %v", codec)
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
			t.compressed(f.topic, codec)
		})
	}
}
