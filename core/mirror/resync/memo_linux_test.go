package resync

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A walk that remembers finds what one finds that does not, whatever changed in between.
func TestWalksThatRemember(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, seed))
	top := t.TempDir()
	name := func() string { return fmt.Sprintf("%s/d%d/f%d", top, rng.IntN(6), rng.IntN(20)) }
	for d := range 6 {
		if err := os.MkdirAll(fmt.Sprintf("%s/d%d/sub", top, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := unix.Open(top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(root)
	m, used := memo{}, 0
	for range 40 {
		for range rng.IntN(8) {
			switch rng.IntN(5) {
			case 0, 1:
				_ = os.WriteFile(name(), nil, 0o600)
			case 2:
				_ = os.Remove(name())
			case 3:
				_ = os.Rename(name(), name())
			case 4:
				_ = os.Rename(fmt.Sprintf("%s/d%d", top, rng.IntN(6)), fmt.Sprintf("%s/d%d/sub/moved%d", top, rng.IntN(6), rng.IntN(100)))
			}
		}
		if rng.IntN(2) == 0 {
			<-time.After(settled + 20*time.Millisecond)
		}
		all, err := index(root, func(uint64) bool { return true }, nil)
		if err != nil {
			t.Fatal(err)
		}
		wanted := map[uint64][]uint32{}
		for inode := range all {
			if rng.IntN(4) == 0 {
				wanted[inode] = []uint32{0}
			}
		}
		used += len(m)
		got, err := m.index(root, wanted, nil)
		if err != nil {
			t.Fatal(err)
		}
		if a, b := paths(all, wanted), paths(got, wanted); !slices.Equal(a, b) {
			t.Fatalf("seed %d:\n%v\n%v", seed, a, b)
		}
		if len(got) != len(wanted) {
			t.Fatalf("seed %d: %d of %d", seed, len(got), len(wanted))
		}
	}
	if used < 40 {
		t.Errorf("%d directories were remembered in all", used)
	}
}

func paths(found map[uint64][]*place, wanted map[uint64][]uint32) (list []string) {
	for inode := range maps.Keys(wanted) {
		for _, p := range found[inode] {
			list = append(list, p.path())
		}
	}
	slices.Sort(list)
	return list
}
