package pluginhost

import "time"

const (
	firstPause = 100 * time.Millisecond
	longest    = 30 * time.Second
	stable     = 10 * time.Second // a process that ran this long starts a new count
)

// backoff counts the pauses between starts: each twice the one before.
type backoff struct{ next time.Duration }

// pause answers how long to wait after a process that ran for so long.
func (b *backoff) pause(ran time.Duration) time.Duration {
	if b.next == 0 || ran >= stable {
		b.next = firstPause
	}
	p := b.next
	b.next = min(2*b.next, longest)
	return p
}
