package resync

import (
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/orchestrator-ha/orchestrator/core/mirror/loopdisk"
)

// Extents are in whole blocks also where the file system's own are smaller, and data begins
// or ends within one of ours.
func TestExtentsOfSmallBlocks(t *testing.T) {
	dir := loopdisk.New(t, 8<<20, "-b", "1024")
	f, err := os.Create(dir + "/f")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, at := range []int64{1024, 5*Block + 2048, 9 * Block} {
		if _, err := f.WriteAt(make([]byte, 1024), at); err != nil {
			t.Fatal(err)
		}
	}
	const size = 11*Block + 100
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if at, err := unix.Seek(int(f.Fd()), 0, unix.SEEK_DATA); err != nil || at != 1024 {
		t.Fatalf("the file system's data begins at %d, %v", at, err)
	}
	want := []extent{
		{0, Block, false}, {Block, 5 * Block, true}, {5 * Block, 6 * Block, false}, {6 * Block, 9 * Block, true},
		{9 * Block, 10 * Block, false}, {10 * Block, size, true},
	}
	var got []extent
	for at := int64(0); ; at = got[len(got)-1].end {
		x, ok, err := next(int(f.Fd()), at, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			break
		}
		if got = append(got, x); x.end <= at {
			t.Fatalf("there is no end to %v", got)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("extents %v, not %v", got, want)
	}
}
