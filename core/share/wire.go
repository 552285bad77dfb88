package share

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
)

// Rows is the table of a group. It travels as base64 of little-endian words.
type Rows []Row

// MarshalText encodes rows.
func (r Rows) MarshalText() ([]byte, error) {
	raw := make([]byte, 4*len(r))
	for i, row := range r {
		binary.LittleEndian.PutUint32(raw[4*i:], uint32(row))
	}
	return []byte(base64.StdEncoding.EncodeToString(raw)), nil
}

// UnmarshalText decodes rows; their number must be Buckets.
func (r *Rows) UnmarshalText(text []byte) error {
	raw, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil {
		return fmt.Errorf("decode table: %w", err)
	}
	if len(raw) != 4*Buckets {
		return fmt.Errorf("decode table: %d bytes instead of %d", len(raw), 4*Buckets)
	}
	*r = make(Rows, Buckets)
	for i := range *r {
		(*r)[i] = Row(binary.LittleEndian.Uint32(raw[4*i:]))
	}
	return nil
}

// Bitmap is a set of buckets. It travels as base64.
type Bitmap []byte

// NewBitmap returns an empty set.
func NewBitmap() Bitmap { return make(Bitmap, Buckets/8) }

// Set adds a bucket.
func (b Bitmap) Set(bucket int) { b[bucket/8] |= 1 << (bucket % 8) }

// Has says that the bucket is in the set; an absent set has every bucket, so
// that nothing is concluded from a count that is not there.
func (b Bitmap) Has(bucket int) bool {
	return len(b) != Buckets/8 || b[bucket/8]&(1<<(bucket%8)) != 0
}

// hasClass says that any bucket of the same class is in the set: those keep the
// same rows.
func (b Bitmap) hasClass(f Function, bucket int) bool {
	if f != LowBits {
		return b.Has(bucket)
	}
	for i := f.Class(bucket); i < Buckets; i += 1 << comparedBits {
		if b.Has(i) {
			return true
		}
	}
	return false
}
