package main

import (
	"fmt"
	"strconv"
	"time"
)

// sleepOld waits some seconds.
func sleepOld(s *safekit, c call) error {
	n, err := strconv.ParseUint(c.arg(0), 10, 31)
	if err != nil {
		return fmt.Errorf("%q is no number of seconds", c.arg(0))
	}
	t := time.NewTimer(time.Duration(n) * time.Second)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

// exitOld ends with a code, as cmd.exe cannot where a script calls another.
func exitOld(_ *safekit, c call) error {
	code, err := strconv.ParseUint(c.arg(0), 10, 8)
	switch {
	case err != nil:
		return fmt.Errorf("%q is no exit code: 0 to 255", c.arg(0))
	case code == 0:
		return nil
	}
	return silent(int(code))
}
