package resync

import (
	"testing"
	"time"
)

// What is left is told from bytes and files: a folder of small files takes its time, too.
func TestTimeLeft(t *testing.T) {
	begin := time.Unix(1_000_000, 0)
	for _, c := range []struct {
		f    Figures
		want time.Duration
	}{
		{Figures{}, 0},
		{Figures{Known: 10, Total: 1 << 20}, 0}, // nothing is known of the speed
		{Figures{Files: 250_000, Known: 1_000_000}, 30 * time.Second},        // all are empty
		{Figures{Total: 400 << 20, Done: 100 << 20}, 30 * time.Second},       // zones of few files
		{Figures{Files: 320, Known: 320, Total: 40 << 20}, 40 * time.Second}, // the large one comes last
		{Figures{Files: 9, Known: 9, Total: 100, Done: 100}, 0},              // done
		{Figures{Files: 12, Known: 9, Total: 100, Done: 100}, 0},             // names were made meanwhile
	} {
		c.f.Since = begin
		p := &Progress{now: func() time.Time { return begin.Add(10 * time.Second) }, figure: c.f}
		if left := p.Left(); left != c.want {
			t.Errorf("%+v: %s left, not %s", c.f, left, c.want)
		}
	}
}
