package sdk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// Up is a result; detail may be empty.
func Up(detail string) Result { return Result{Status: StatusUp, Detail: detail} }

// Down is a result with its reason.
func Down(format string, args ...any) Result {
	return Result{Status: StatusDown, Reason: fmt.Sprintf(format, args...)}
}

// Unknown is a result with its reason.
func Unknown(format string, args ...any) Result {
	return Result{Status: StatusUnknown, Reason: fmt.Sprintf(format, args...)}
}

// limitKey is how long a check may take, in its context.
type limitKey struct{}

// Limit is how long a look of a Probe may take; 0 if nothing limits it. Unlike the time
// that is left it is a round number, and so stays the same in reasons.
func Limit(ctx context.Context) time.Duration {
	limit, _ := ctx.Value(limitKey{}).(time.Duration)
	return limit
}

// limited gives ctx a limit, unless its own deadline leaves clearly less.
func limited(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	told := limit
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); limit <= 0 || left < limit*9/10 {
			told = left.Round(time.Millisecond)
		}
	}
	ctx = context.WithValue(ctx, limitKey{}, told)
	if limit <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, limit)
}

// local are errors of this machine that say nothing about the other end.
var local = []error{
	syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL, syscall.EPERM, syscall.EACCES, syscall.EAFNOSUPPORT,
}

// Unreached says what an error means that a network function gave for what, such as
// "connect 10.0.0.1:80": down, with a reason that stays the same each time; or unknown
// where it tells of this machine rather than of the other end: no such name, no
// memory, no right, or the check was cancelled. limit is what was waited, see Limit.
func Unreached(what string, err error, limit time.Duration) Result {
	var name *net.DNSError
	var timeout net.Error
	var errno syscall.Errno
	var op *net.OpError
	switch {
	case errors.As(err, &name):
		return Unknown("look up %s: %s", name.Name, name.Err)
	case errors.Is(err, context.Canceled):
		return Unknown("%s: the check was cancelled", what)
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return Down("%s: no answer within %v", what, limit)
	case errors.As(err, &errno):
		for _, e := range local {
			if errors.Is(err, e) {
				return Unknown("%s: %s", what, errno.Error())
			}
		}
		return Down("%s: %s", what, errno.Error())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return Down("%s: the connection was closed before the answer was complete", what)
	case errors.As(err, &op):
		return Down("%s: %s", what, op.Err.Error())
	}
	return Down("%s: %s", what, err.Error())
}
