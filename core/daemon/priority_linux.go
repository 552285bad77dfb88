package daemon

import "os"

// preferSelf asks the kernel to prefer this daemon, with its plugins, to the
// other work of the machine: a starved daemon cannot renew its lease. Where
// sessions are scheduled as groups (sched(7), autogroups), priorities of
// threads count within the session only, so it is the session's that is
// raised. Under systemd the unit's CPUWeight does the same. It is best effort.
func preferSelf() error {
	return os.WriteFile("/proc/self/autogroup", []byte("-20"), 0)
}
