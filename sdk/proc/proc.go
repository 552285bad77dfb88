// Package proc asks the kernel about processes, without waiting for ever. What it says of a
// process in /proc may have to wait for that: one that hangs in execve(2), because a file that it
// closes there, or its program, lies on a file server that is gone, holds locks which
// /proc/PID/maps and others need.
package proc

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// Patience is how long an answer is waited for; less, down to shortest, where several
// processes hang.
const Patience = 2 * time.Second

const shortest = 100 * time.Millisecond

// hanging counts for each process the questions that were given up and are not answered yet.
var hanging = struct {
	sync.Mutex
	of map[int]int
}{of: map[int]int{}}

// ErrHangs says that nothing is known of a process.
var ErrHangs = errors.New("it hangs, so that the kernel does not answer about it")

// Ask answers what ask finds out of a process: ErrHangs if that takes longer than Patience.
// ask goes on then, with a thread, and so nothing more is asked of the process before it has
// ended.
func Ask[T any](pid int, ask func() (T, error)) (T, error) {
	hanging.Lock()
	hangs, patience := hanging.of[pid] > 0, max(Patience>>len(hanging.of), shortest)
	hanging.Unlock()
	if hangs {
		return unknown[T](pid)
	}
	q := &question{pid: pid}
	type answer struct {
		is  T
		err error
	}
	answers := make(chan answer, 1)
	go func() {
		is, err := ask()
		q.end()
		answers <- answer{is, err}
	}()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case a := <-answers:
		return a.is, a.err
	case <-late.C:
	}
	if q.giveUp() {
		return unknown[T](pid)
	}
	a := <-answers
	return a.is, a.err
}

func unknown[T any](pid int) (none T, err error) {
	return none, fmt.Errorf("process %d: %w", pid, ErrHangs)
}

// question is one that is asked. Its fields are hanging's to lock.
type question struct {
	pid            int
	ended, givenUp bool
}

func (q *question) end() {
	hanging.Lock()
	defer hanging.Unlock()
	q.ended = true
	if !q.givenUp {
		return
	}
	if hanging.of[q.pid]--; hanging.of[q.pid] == 0 {
		delete(hanging.of, q.pid)
	}
}

// giveUp answers false if there is an answer.
func (q *question) giveUp() bool {
	hanging.Lock()
	defer hanging.Unlock()
	if q.ended {
		return false
	}
	q.givenUp = true
	hanging.of[q.pid]++
	return true
}
