package zones

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

const (
	sector     = 512
	headSize   = 20 // crc 4, magic 4, number 8, records 4
	recordSize = 17 // op 1, inode 8, index 4, epoch 4
	magic      = 0x7a6f6e65
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// encode is a batch, padded to whole sectors.
func encode(number uint64, records []record) []byte {
	size := headSize + recordSize*len(records)
	b := make([]byte, 4, (size+sector-1)/sector*sector)
	b = binary.BigEndian.AppendUint32(b, magic)
	b = binary.BigEndian.AppendUint64(b, number)
	b = binary.BigEndian.AppendUint32(b, uint32(len(records)))
	for _, r := range records {
		b = append(b, byte(r.op))
		b = binary.BigEndian.AppendUint64(b, r.zone.Inode)
		b = binary.BigEndian.AppendUint32(b, r.zone.Index)
		b = binary.BigEndian.AppendUint32(b, r.epoch)
	}
	binary.BigEndian.PutUint32(b, crc32.Checksum(b[4:], castagnoli))
	return b[:cap(b)]
}

var errNoBatch = errors.New("no batch")

// decode reads the batch that begins b, and answers what follows it.
func decode(b []byte) (number uint64, records []record, rest []byte, err error) {
	if len(b) < headSize || binary.BigEndian.Uint32(b[4:]) != magic {
		return 0, nil, nil, errNoBatch
	}
	number = binary.BigEndian.Uint64(b[8:])
	count := int64(binary.BigEndian.Uint32(b[16:]))
	size := headSize + recordSize*count
	if size > int64(len(b)) || binary.BigEndian.Uint32(b) != crc32.Checksum(b[4:size], castagnoli) {
		return 0, nil, nil, errNoBatch
	}
	for r := b[headSize:size]; len(r) > 0; r = r[recordSize:] {
		records = append(records, record{
			opcode(r[0]), Zone{binary.BigEndian.Uint64(r[1:]), binary.BigEndian.Uint32(r[9:])}, binary.BigEndian.Uint32(r[13:]),
		})
	}
	return number, records, b[min(int64(len(b)), (size+sector-1)/sector*sector):], nil
}
