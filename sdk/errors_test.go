package sdk

import (
	"context"
	"errors"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestErrorsOfTheWire: a plugin that died is unavailable, also when its connection
// is just being closed; a caller who gave up is told so.
func TestErrorsOfTheWire(t *testing.T) {
	for _, c := range []struct {
		code codes.Code
		text string
		is   error
	}{
		{codes.Unavailable, "EOF", ErrUnavailable},
		{codes.Canceled, "grpc: the client connection is closing", ErrUnavailable},
		{codes.Canceled, "context canceled", context.Canceled},
		{codes.DeadlineExceeded, "context deadline exceeded", context.DeadlineExceeded},
	} {
		if err := fromWire(status.Error(c.code, c.text)); !errors.Is(err, c.is) {
			t.Errorf("%v %q: %v, want %v", c.code, c.text, err, c.is)
		}
	}
	if err := fromWire(status.Error(codes.Unknown, "no such thing")); err.Error() != "no such thing" {
		t.Errorf("the plugin's own words became %q", err)
	}
}
