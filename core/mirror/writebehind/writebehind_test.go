package writebehind

import "testing"

func TestRuns(t *testing.T) {
	const kilo, mega = int64(1 << 10), int64(1 << 20)
	type write struct{ at, size, begin, length int64 }
	for name, writes := range map[string][]write{
		"a whole stretch": {{0, mega, 0, 0}, {mega, mega, 0, 0}, {2 * mega, mega, 0, 0}, {3 * mega, mega, 0, 4 * mega}, {4 * mega, mega, 0, 0}},
		"from anywhere":   {{7 * mega, 3 * mega, 0, 0}, {10 * mega, mega, 7 * mega, 4 * mega}},
		"a gap":           {{0, 3 * mega, 0, 0}, {4 * mega, mega, 0, 0}, {5 * mega, 3 * mega, 4 * mega, 4 * mega}},
		"the same again":  {{0, 3 * mega, 0, 0}, {0, 3 * mega, 0, 0}, {3 * mega, mega, 0, 4 * mega}},
		"small ones":      {{0, 4 * kilo, 0, 0}, {4 * kilo, 8 * mega, 4 * kilo, 8 * mega}},
	} {
		t.Run(name, func(t *testing.T) {
			var r Run
			for i, w := range writes {
				if begin, length := r.Wrote(w.at, int(w.size)); begin != w.begin || length != w.length {
					t.Fatalf("write %d: %d bytes from %d, want %d from %d", i, length, begin, w.length, w.begin)
				}
			}
		})
	}
}

func TestManySmallOnes(t *testing.T) {
	var r Run
	for at := int64(0); at < 1<<26; at += 8 << 10 {
		if _, length := r.Wrote(at, 8<<10); length != 0 {
			t.Fatalf("%d bytes are given to the disk at %d", length, at)
		}
	}
}
