package resync

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A directory that is too large comes in parts, none of which is: each name in one of them,
// also when one of the two sides finds only later that it has too many.
func TestParts(t *testing.T) {
	const most = 50
	for _, count := range []int{0, 1, most, most + 1, 40 * most} {
		top := t.TempDir()
		for n := range count {
			if err := os.Mkdir(fmt.Sprintf("%s/name %d", top, n), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		dir, err := unix.Open(top, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(dir)
		found, whole, asked := map[string]int{}, 0, false
		err = inParts(func(part Part) (uint32, error) {
			if part.Number == 1 && !asked { // as a peer may say in the middle
				asked = true
				clear(found)
				return part.Of + 3, nil
			}
			list, parts, err := names(dir, part, most)
			if len(list) > most || parts > 0 && len(list) > 0 {
				t.Errorf("%d of %d names at once, in %d parts", len(list), count, parts)
			}
			if part.Of == 0 && parts == 0 {
				whole++
			}
			for _, d := range list {
				found[d.name]++
			}
			return parts, err
		})
		if err != nil {
			t.Fatal(err)
		}
		if (whole == 1) != (count <= most) {
			t.Errorf("%d names were listed as a whole %d times", count, whole)
		}
		for n := range count {
			if name := fmt.Sprintf("name %d", n); found[name] != 1 {
				t.Errorf("%q of %d names was found %d times", name, count, found[name])
			}
		}
	}
}
