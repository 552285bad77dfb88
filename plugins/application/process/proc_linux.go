package process

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"

	"github.com/orchestrator-ha/orchestrator/sdk/proc"
)

// procStat is what is needed of proc_pid_stat(5).
type procStat struct {
	state   byte
	parent  int
	session int
	start   uint64
}

// dead tells whether nothing of the process runs any more, though nobody may
// have waited for it.
func (p procStat) dead() bool { return p.state == 'Z' || p.state == 'X' }

func readProc(pid int) (procStat, error) {
	b, err := proc.ReadFile(pid, "stat")
	if err != nil {
		return procStat{}, err
	}
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:])) // the first is field 3
	if len(fields) < 20 {
		return procStat{}, fmt.Errorf("stat of process %d has %d fields", pid, len(fields))
	}
	p := procStat{state: fields[0][0]}
	var errs [3]error
	p.parent, errs[0] = strconv.Atoi(fields[1])
	p.session, errs[1] = strconv.Atoi(fields[3])
	p.start, errs[2] = strconv.ParseUint(fields[19], 10, 64)
	for _, err := range errs {
		if err != nil {
			return p, fmt.Errorf("read stat of process %d: %w", pid, err)
		}
	}
	return p, nil
}
