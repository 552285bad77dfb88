package process

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// New makes the controller. Its files are under ORCHESTRATOR_HOME, or
// /var/lib/orchestrator.
func New() sdk.Application {
	home := os.Getenv("ORCHESTRATOR_HOME")
	if home == "" {
		home = defaultHome
	}
	return newController(home, findCgroup("/proc/self/mountinfo", home))
}

const defaultHome = "/var/lib/orchestrator"

// controller knows where things are; what runs it asks the kernel each time.
type controller struct {
	dir    string        // records and output
	cgroup string        // parent of the instances' groups; empty if there is no cgroup v2
	early  time.Duration // how long a program without ready_tcp must live to count as started

	mu    sync.Mutex
	locks map[string]chan struct{} // one call at a time per instance
	ends  map[string]string        // how an instance ended, as far as this process saw it
}

func newController(home, cgroup string) *controller {
	return &controller{
		dir: filepath.Join(home, "run", "process"), cgroup: cgroup, early: earlyEnd,
		locks: map[string]chan struct{}{}, ends: map[string]string{},
	}
}

// Describe presents the controller.
func (*controller) Describe() sdk.Description { return describe() }

// lock waits for the instance; unlock releases it.
func (c *controller) lock(ctx context.Context, instance string) (unlock func(), err error) {
	if instance == "" || strings.HasPrefix(instance, ".") || len(instance) > 80 {
		return nil, fmt.Errorf("instance name %q is empty, too long or begins with a point", instance)
	}
	c.mu.Lock()
	l := c.locks[instance]
	if l == nil {
		l = make(chan struct{}, 1)
		c.locks[instance] = l
	}
	c.mu.Unlock()
	select {
	case l <- struct{}{}:
		return func() { <-l }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for the call before on %s: %w", instance, ctx.Err())
	}
}

func (c *controller) noteEnd(instance, how string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ends[instance] = how
}

func (c *controller) end(instance string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ends[instance]
}

// file is the path of one of an instance's files.
func (c *controller) file(instance, suffix string) string {
	return filepath.Join(c.dir, url.PathEscape(instance)+suffix)
}

// Status tells whether the program runs.
func (c *controller) Status(ctx context.Context, r sdk.AppRequest) sdk.Result {
	unlock, err := c.lock(ctx, r.Instance)
	if err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	defer unlock()
	in, err := c.find(r.Instance)
	if err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	switch {
	case len(in.pids) == 0:
		reason := "not running"
		if how := c.end(r.Instance); how != "" {
			reason = "not running: " + how
		}
		return sdk.Result{Status: sdk.StatusDown, Reason: reason}
	case in.orphaned():
		return sdk.Result{Status: sdk.StatusDown, Reason: fmt.Sprintf("its main process ended; left are processes %v", in.pids)}
	}
	return sdk.Result{Status: sdk.StatusUp, Detail: fmt.Sprintf("processes %v", in.pids)}
}
