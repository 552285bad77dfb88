// Package address holds the checkers of this machine's own network: intf, a
// network interface is up and has a carrier, and ip, an address is set. Both look
// when the kernel tells of a change (rtnetlink(7)); where there is no such news,
// and to be sure, at the interval as well.
package address

import (
	"context"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// follow looks at once, at each change and at the interval, until ctx ends. A nil
// channel never tells of a change.
func follow(ctx context.Context, changes <-chan struct{}, interval time.Duration, look func() sdk.Result, report func(sdk.Result)) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		start := time.Now()
		r := look()
		r.Took = time.Since(start)
		report(r)
		select {
		case <-ctx.Done():
			return nil
		case <-changes:
		case <-tick.C:
		}
	}
}

func unknown(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: reason}
}

func down(reason string) sdk.Result {
	return sdk.Result{Status: sdk.StatusDown, Reason: reason}
}
