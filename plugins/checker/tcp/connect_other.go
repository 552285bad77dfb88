//go:build !linux

package tcp

import (
	"context"
	"time"
)

func connect(ctx context.Context, host string, port int, deadline time.Time) error {
	return dial(ctx, host, port, deadline)
}
