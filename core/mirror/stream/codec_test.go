package stream

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

// full is an operation of kind k with all that this kind uses.
func full(k Kind) Op {
	o := Op{Kind: k}
	for f := fieldFile; f < fieldName; f <<= 1 {
		if fieldsOf[k].has(f) {
			_ = o.set(f, int64(f)*1000+7)
		}
	}
	if fieldsOf[k].has(fieldName) {
		o.Name = "a name with spaces and ü"
	}
	if fieldsOf[k].has(fieldNewName) {
		o.NewName = strings.Repeat("x", MaxName)
	}
	if fieldsOf[k].has(fieldData) {
		o.Data = []byte{0, 1, 2, 255}
	}
	return o
}

func TestFramesCarryEveryField(t *testing.T) {
	var wire []byte
	for k := Bind; k < kinds; k++ {
		if strings.HasPrefix(k.String(), "kind ") {
			t.Errorf("kind %d has no name", k)
		}
		var err error
		op := full(k)
		for f := fieldFile; f < fieldName; f <<= 1 {
			if fieldsOf[k].has(f) && op.number(f) != int64(f)*1000+7 {
				t.Errorf("%s: field %d is %d", k, f, op.number(f))
			}
		}
		if wire, err = appendFrame(wire, Seq(k)<<20, &op); err != nil {
			t.Fatal(err)
		}
	}
	r, buf := bytes.NewReader(wire), []byte(nil)
	for k := Bind; k < kinds; k++ {
		frame, err := readFrame(r, &buf)
		if err != nil {
			t.Fatal(err)
		}
		seq, got, err := parseFrame(frame)
		if want := full(k); err != nil || seq != Seq(k)<<20 || !reflect.DeepEqual(got, want) {
			t.Errorf("%d %+v %v\nwant %+v", seq, got, err, want)
		}
		for n := range len(frame) { // cut short, it is refused or another valid one
			if _, op, err := parseFrame(frame[:n]); err == nil && reflect.DeepEqual(op, got) {
				t.Errorf("%s: %d of %d bytes say the same", k, n, len(frame))
			}
		}
	}
}

func TestFramesThatAreRefused(t *testing.T) {
	for _, c := range []struct {
		op   Op
		want string
	}{
		{Op{}, "unknown"},
		{Op{Kind: kinds}, "unknown"},
		{Op{Kind: Unlink, Parent: Root}, "no name"},
		{Op{Kind: Unlink, Parent: Root, Name: ".."}, "no name"},
		{Op{Kind: Unlink, Parent: Root, Name: "a/b"}, "no name"},
		{Op{Kind: Unlink, Parent: Root, Name: "a\x00"}, "no name"},
		{Op{Kind: Unlink, Parent: Root, Name: strings.Repeat("x", MaxName+1)}, "no name"},
		{Op{Kind: Rename, Parent: Root, Name: "a", NewParent: Root, NewName: "."}, "no name"},
		{Op{Kind: Write, File: 2, Offset: -1}, "negative"},
		{Op{Kind: Write, File: 2, Data: make([]byte, MaxData+1)}, "at most"},
	} {
		if _, err := appendFrame(nil, 1, &c.op); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v; want %s", c.op, err, c.want)
		}
	}
	if _, err := appendFrame(nil, 1, &Op{Kind: SetXattr, File: 2, Name: "user.a/b"}); err != nil {
		t.Error(err)
	}
}

func FuzzParseFrame(f *testing.F) {
	for k := Bind; k < kinds; k++ {
		op := full(k)
		frame, _ := appendFrame(nil, 9, &op)
		f.Add(frame[4:])
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seq, op, err := parseFrame(b)
		if err != nil {
			return
		}
		again, err := appendFrame(nil, seq, &op)
		if err != nil {
			t.Fatalf("%s was read, but cannot be written: %v", op, err)
		}
		if _, back, err := parseFrame(again[4:]); err != nil || back.String() != op.String() || !bytes.Equal(back.Data, op.Data) {
			t.Fatalf("%s became %s, %v", op, back, err)
		}
	})
}
