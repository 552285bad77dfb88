package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"
)

// incarnation tells this run of the node's heartbeat from all earlier ones, by a number
// that is larger than theirs: now in ns, or one more than the last where the machine's
// clock was set back meanwhile. Others take a smaller number for a replay, and would not
// hear this node until its clock has passed the last one. The note outlives the membership:
// who joins again may get the same place.
func (d *Daemon) incarnation(now time.Time) (uint64, error) {
	path := d.path("cluster", "incarnation")
	raw, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("read the number of this node's last run: %w", err)
	}
	next := uint64(max(now.UnixNano(), 1))
	if last, err := strconv.ParseUint(strings.TrimSpace(string(raw)), 10, 64); err == nil {
		next = max(next, last+1)
	} else if len(raw) > 0 {
		d.log.Warn("the number of this node's last run is not readable; the clock's is taken", "file", path, "error", err)
	}
	if err := replaceDurably(path, []byte(strconv.FormatUint(next, 10)+"\n")); err != nil {
		return 0, fmt.Errorf("store the number of this node's run: %w", err)
	}
	return next, nil
}
