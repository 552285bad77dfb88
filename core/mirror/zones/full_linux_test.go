package zones

import (
	"os"
	"testing"

	"github.com/orchestrator-ha/orchestrator/core/mirror/loopdisk"
)

// On a full disk zones are recorded on, in the room that was reserved, and checkpoints
// are made again when there is room.
func TestFullDisk(t *testing.T) {
	dir := loopdisk.New(t, 16<<20)
	o := Options{MaxLog: 64 << 10}
	l, err := Open(Directory(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	fill, err := os.Create(dir + "/fill")
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = fill.Write(make([]byte, 64<<10))
	}
	for err = nil; err == nil; {
		_, err = fill.Write(make([]byte, 512))
	}
	_ = fill.Close()
	const marks = 300 // each a batch of 512 bytes: more than MaxLog
	for n := range uint64(marks) {
		if err := l.MarkDirty(100+n, 0, 1); err != nil {
			t.Fatalf("mark %d: %v", n, err)
		}
	}
	if l.size <= o.MaxLog {
		t.Errorf("the log has %d bytes: a checkpoint was made on a full disk", l.size)
	}
	if err := os.Remove(dir + "/fill"); err != nil {
		t.Fatal(err)
	}
	for n := range uint64(64) {
		if err := l.MarkDirty(1000+n, 0, 1); err != nil {
			t.Fatal(err)
		}
	}
	if l.size > o.MaxLog {
		t.Errorf("the log has %d bytes: no checkpoint was made although there is room", l.size)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Open(Directory(dir), o)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if n := len(again.Recorded().Dirty); n != marks+64 {
		t.Errorf("%d zones are recorded, not %d", n, marks+64)
	}
}
