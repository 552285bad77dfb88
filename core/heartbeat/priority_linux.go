package heartbeat

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"golang.org/x/sys/unix"
)

// prefer raises the priority of the calling thread alone.
func prefer(p Priority, log *slog.Logger) {
	var err error
	switch p {
	case PriorityNice:
		err = errors.Join(unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20), preferSession())
	case PriorityFIFO:
		err = unix.SchedSetAttr(unix.Gettid(), &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1,
			Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}, 0)
	}
	if err != nil {
		log.Warn("the heartbeat's thread keeps its normal priority; on a loaded machine this node may be late", "wanted", p, "error", err)
	}
}

// preferSession lifts this process's session over the others. A kernel that
// shares out its processors by session (sched(7), "The autogroup feature") looks
// at nice values only within one, and lets a thread that wakes up among a hundred
// busy sessions wait for longer than a lease. A session that is not the
// process's own, such as a terminal's, stays as it is.
func preferSession() error {
	if leader, err := unix.Getsid(0); err != nil || leader != os.Getpid() {
		return nil
	}
	err := os.WriteFile("/proc/self/autogroup", []byte("-20"), 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a kernel without autogroups
	}
	return err
}
