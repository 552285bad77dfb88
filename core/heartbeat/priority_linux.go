package heartbeat

import (
	"log/slog"

	"golang.org/x/sys/unix"
)

// prefer raises the priority of the calling thread alone.
func prefer(p Priority, log *slog.Logger) {
	var err error
	switch p {
	case PriorityNice:
		err = unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), -20)
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
