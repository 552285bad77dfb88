package fs

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// mounted is a line of the table of mounts, see proc_pid_mountinfo(5).
type mounted struct {
	id, parent   string
	device       string
	root, at     string
	options      []string
	kind, source string
}

// mounts are those of this mount namespace; of several on one directory the last is seen.
func mounts() ([]mounted, error) {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	var table []mounted
	for line := range strings.Lines(string(b)) {
		fields := strings.Fields(line)
		dash := slices.Index(fields, "-")
		if dash < 6 || len(fields) < dash+3 {
			continue
		}
		table = append(table, mounted{
			id: fields[0], parent: fields[1], device: fields[2], root: unescape(fields[3]), at: unescape(fields[4]),
			options: strings.Split(fields[5], ","), kind: fields[dash+1], source: unescape(fields[dash+2]),
		})
	}
	return table, nil
}

// unescape reads a path of mountinfo.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// ClearLeftovers unmounts what a daemon that was killed has left on dir and backing. Start
// does it, too.
func ClearLeftovers(dir, backing string) error {
	table, err := mounts()
	if err != nil {
		return err
	}
	for _, m := range slices.Backward(table) {
		switch {
		case m.at == dir && m.kind == "fuse."+subtype:
			if err := clearDead(m); err != nil {
				return err
			}
		case m.shows(dir, backing):
			if err := Hide(dir); err != nil {
				return err
			}
		case m.at == backing && m.isCover(table):
			if err := unix.Unmount(backing, unix.MNT_DETACH); err != nil {
				return fmt.Errorf("uncover %s: %w", backing, err)
			}
		}
	}
	return nil
}

// clearDead unmounts a mount of this kind that nobody answers any more.
func clearDead(m mounted) error {
	switch err := answers(m.at); err {
	case unix.ENOTCONN, unix.ECONNABORTED:
	case nil, unix.ETIMEDOUT:
		return fmt.Errorf("%s is in front of %s already, and is served by another daemon that runs: stop it first", m.at, m.source)
	default:
		return fmt.Errorf("look at what is mounted on %s: %w", m.at, err)
	}
	if err := unix.Unmount(m.at, unix.MNT_DETACH); err != nil {
		return fmt.Errorf("unmount what a killed daemon left on %s: %w", m.at, err)
	}
	return nil
}

// answers asks who serves a mount; attributes of files would come from the kernel.
func answers(dir string) error {
	answer := make(chan error, 1)
	go func() {
		var st unix.Statfs_t
		answer <- unix.Statfs(dir, &st)
	}()
	select {
	case err := <-answer:
		return err
	case <-time.After(5 * time.Second):
		return unix.ETIMEDOUT
	}
}

// isCover recognizes what front mounts: a directory on itself, read-only.
func (m mounted) isCover(table []mounted) bool {
	i := slices.IndexFunc(table, func(p mounted) bool { return p.id == m.parent })
	if i < 0 || !slices.Contains(m.options, "ro") || m.device != table[i].device {
		return false
	}
	below := table[i]
	return m.root == path.Join(below.root, strings.TrimPrefix(m.at, strings.TrimSuffix(below.at, "/")))
}
