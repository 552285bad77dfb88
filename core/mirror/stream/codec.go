package stream

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
)

// waited is the bit beside the kind: somebody waits until the operation is applied.
const waited = 0x80

// Limits of a frame.
const (
	MaxData  = 1 << 20 // bytes of Data
	MaxName  = 255     // bytes of a name
	maxFrame = MaxData + 1024
)

// field is a field of Op on the wire; fields go in this order, Data to the end of the
// frame.
type field uint32

const (
	fieldFile field = 1 << iota
	fieldParent
	fieldNewParent
	fieldFlags
	fieldMode
	fieldUID
	fieldGID
	fieldRdev
	fieldOffset
	fieldSize
	fieldAtime
	fieldMtime
	fieldName
	fieldNewName
	fieldData
	fieldsEnd
)

func (f field) has(x field) bool { return f&x != 0 }

var fieldsOf = [kinds]field{
	Bind:        fieldFile | fieldParent | fieldName,
	Forget:      fieldFile,
	Create:      fieldFile | fieldParent | fieldName | fieldMode | fieldUID | fieldGID | fieldRdev | fieldMtime,
	Symlink:     fieldFile | fieldParent | fieldName | fieldUID | fieldGID | fieldMtime | fieldData,
	Tmpfile:     fieldFile | fieldParent | fieldMode | fieldUID | fieldGID | fieldMtime,
	Link:        fieldFile | fieldParent | fieldName,
	Unlink:      fieldParent | fieldName,
	Rmdir:       fieldParent | fieldName,
	Rename:      fieldParent | fieldName | fieldNewParent | fieldNewName | fieldFlags,
	Write:       fieldFile | fieldOffset | fieldData,
	SetAttr:     fieldFile | fieldFlags | fieldMode | fieldUID | fieldGID | fieldSize | fieldAtime | fieldMtime,
	SetXattr:    fieldFile | fieldName | fieldFlags | fieldData,
	RemoveXattr: fieldFile | fieldName,
	Fallocate:   fieldFile | fieldFlags | fieldOffset | fieldSize,
	Stamp:       fieldFile | fieldAtime | fieldMtime,
	Fsync:       fieldFile | fieldFlags,
	Word:        fieldData,
	Ping:        0,
}

// number is a numeric field; set stores one.
func (o *Op) number(f field) int64 {
	switch f {
	case fieldFile:
		return int64(o.File)
	case fieldParent:
		return int64(o.Parent)
	case fieldNewParent:
		return int64(o.NewParent)
	case fieldFlags:
		return int64(o.Flags)
	case fieldMode:
		return int64(o.Mode)
	case fieldUID:
		return int64(o.UID)
	case fieldGID:
		return int64(o.GID)
	case fieldRdev:
		return int64(o.Rdev)
	case fieldOffset:
		return o.Offset
	case fieldSize:
		return o.Size
	case fieldAtime:
		return o.Atime
	case fieldMtime:
		return o.Mtime
	}
	panic("not a number")
}

func (o *Op) set(f field, v int64) error {
	small := func(to *uint32) error {
		if v < 0 || v > 1<<32-1 {
			return fmt.Errorf("field %d of %s is %d, more than 32 bits", f, o.Kind, v)
		}
		*to = uint32(v)
		return nil
	}
	switch f {
	case fieldFile:
		o.File = FileID(v)
	case fieldParent:
		o.Parent = FileID(v)
	case fieldNewParent:
		o.NewParent = FileID(v)
	case fieldFlags:
		return small(&o.Flags)
	case fieldMode:
		return small(&o.Mode)
	case fieldUID:
		return small(&o.UID)
	case fieldGID:
		return small(&o.GID)
	case fieldRdev:
		return small(&o.Rdev)
	case fieldOffset:
		o.Offset = v
	case fieldSize:
		o.Size = v
	case fieldAtime:
		o.Atime = v
	case fieldMtime:
		o.Mtime = v
	}
	return nil
}

// check refuses what cannot be carried out within the replicated directory.
func (o *Op) check() error {
	f := fieldsOf[o.Kind]
	names := []string{}
	if f.has(fieldName) {
		names = append(names, o.Name)
	}
	if f.has(fieldNewName) {
		names = append(names, o.NewName)
	}
	for _, n := range names {
		attribute := o.Kind == SetXattr || o.Kind == RemoveXattr
		outside := n == "." || n == ".." || strings.IndexByte(n, '/') >= 0
		if n == "" || len(n) > MaxName || strings.IndexByte(n, 0) >= 0 || outside && !attribute {
			return fmt.Errorf("%s: %q is no name", o.Kind, n)
		}
	}
	switch {
	case len(o.Data) > MaxData:
		return fmt.Errorf("%s: %d bytes of data, at most %d", o.Kind, len(o.Data), MaxData)
	case o.Offset < 0 || o.Size < 0:
		return fmt.Errorf("%s: negative offset or size", o.Kind)
	}
	return nil
}

// appendFrame appends kind, number and fields as a frame to b.
func appendFrame(b []byte, seq Seq, o *Op) ([]byte, error) {
	if o.Kind == 0 || o.Kind >= kinds {
		return b, fmt.Errorf("%s is unknown", o.Kind)
	}
	if err := o.check(); err != nil {
		return b, err
	}
	start := len(b)
	kind := byte(o.Kind)
	if o.waits {
		kind |= waited
	}
	b = append(b, 0, 0, 0, 0, kind)
	b = binary.AppendUvarint(b, uint64(seq))
	used := fieldsOf[o.Kind]
	for f := fieldFile; f < fieldName; f <<= 1 {
		if used.has(f) {
			b = binary.AppendVarint(b, o.number(f))
		}
	}
	if used.has(fieldName) {
		b = append(append(b, byte(len(o.Name))), o.Name...)
	}
	if used.has(fieldNewName) {
		b = append(append(b, byte(len(o.NewName))), o.NewName...)
	}
	if used.has(fieldData) {
		b = append(b, o.Data...)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4))
	return b, nil
}

var errShort = errors.New("the frame ends early")

// parseFrame reads what appendFrame wrote, without the length. Data is a part of b.
func parseFrame(b []byte) (seq Seq, o Op, err error) {
	if len(b) == 0 {
		return 0, o, errShort
	}
	o.Kind, o.waits, b = Kind(b[0]&^waited), b[0]&waited != 0, b[1:]
	if o.Kind == 0 || o.Kind >= kinds {
		return 0, o, fmt.Errorf("%s is unknown: the nodes run different versions", o.Kind)
	}
	n, size := binary.Uvarint(b)
	if size <= 0 {
		return 0, o, errShort
	}
	b = b[size:]
	used := fieldsOf[o.Kind]
	for f := fieldFile; f < fieldName; f <<= 1 {
		if !used.has(f) {
			continue
		}
		v, size := binary.Varint(b)
		if size <= 0 {
			return 0, o, errShort
		}
		if err := o.set(f, v); err != nil {
			return 0, o, err
		}
		b = b[size:]
	}
	if used.has(fieldName) {
		if o.Name, b, err = text(b); err != nil {
			return 0, o, err
		}
	}
	if used.has(fieldNewName) {
		if o.NewName, b, err = text(b); err != nil {
			return 0, o, err
		}
	}
	switch {
	case used.has(fieldData):
		o.Data = b
	case len(b) > 0:
		return 0, o, fmt.Errorf("%s: %d bytes too many", o.Kind, len(b))
	}
	return Seq(n), o, o.check()
}

func text(b []byte) (string, []byte, error) {
	if len(b) == 0 || len(b) < 1+int(b[0]) {
		return "", nil, errShort
	}
	n := 1 + int(b[0])
	return string(b[1:n]), b[n:], nil
}

// readFrame reads a frame into buf, which grows when it must, and answers it
// without its length.
func readFrame(r io.Reader, buf *[]byte) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint32(head[:]))
	if n > maxFrame {
		return nil, fmt.Errorf("a frame of %d bytes, at most %d: the peer does not speak this protocol", n, maxFrame)
	}
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	b := (*buf)[:n]
	if _, err := io.ReadFull(r, b); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	return b, nil
}
