package identity

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode makes the batch's bytes under a producer id.
func (b Batch) encode(producerID int64, now time.Time) []byte {
	var records []byte
	for i := range b.Count {
		r := kmsg.NewRecord()
		r.OffsetDelta = i
		r.Value = fmt.Appendf(nil, "%s%d", b.Payload, b.Sequence+i)
		body := r.AppendTo(nil)[1:] // behind the length, 0 so far
		records = append(binary.AppendVarint(records, int64(len(body))), body...)
	}
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1,
		Magic:                2,
		LastOffsetDelta:      b.Count - 1,
		FirstTimestamp:       now.Add(b.Ahead).UnixMilli(),
		MaxTimestamp:         now.Add(b.Ahead).UnixMilli(),
		ProducerID:           producerID,
		ProducerEpoch:        b.Epoch,
		FirstSequence:        b.Sequence,
		NumRecords:           b.Count,
		Records:              records,
	}
	if b.Gzip {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		w.Write(records) // into memory
		w.Close()
		batch.Records, batch.Attributes = packed.Bytes(), 1
	}
	raw := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	crc := crc32.Checksum(raw[21:], castagnoli)
	if b.BadCRC {
		crc++
	}
	binary.BigEndian.PutUint32(raw[17:], crc)
	return raw
}

// headers lists the batches in fetched bytes, which may end in part of one.
func headers(raw []byte) (list []header) {
	for len(raw) >= 61 {
		size := int(binary.BigEndian.Uint32(raw[8:])) + 12
		if size < 61 || size > len(raw) {
			return list
		}
		list = append(list, header{
			offset:     int64(binary.BigEndian.Uint64(raw)),
			delta:      int32(binary.BigEndian.Uint32(raw[23:])),
			producerID: int64(binary.BigEndian.Uint64(raw[43:])),
			epoch:      int16(binary.BigEndian.Uint16(raw[51:])),
			sequence:   int32(binary.BigEndian.Uint32(raw[53:])),
			count:      int32(binary.BigEndian.Uint32(raw[57:])),
			crcMatches: binary.BigEndian.Uint32(raw[17:]) == crc32.Checksum(raw[21:size], castagnoli),
		})
		raw = raw[size:]
	}
	return list
}

type header struct {
	offset     int64
	delta      int32
	producerID int64
	epoch      int16
	sequence   int32
	count      int32
	crcMatches bool
}
