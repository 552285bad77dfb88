package sdk

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrUnavailable says that the plugin's process could not be reached: it is
// not running, or died before it answered. Whether the call had an effect is
// not known.
var ErrUnavailable = errors.New("plugin is not running")

// remoteError is an error that came over the wire: the text as the plugin
// wrote it, and what errors.Is finds in it here.
type remoteError struct {
	text string
	is   error
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// closing is what a call says that meets a connection which is just being given up,
// because the plugin died: gRPC's code for it is that of a caller who gave up.
const closing = "grpc: the client connection is closing"

// fromWire turns an error of a gRPC call into one that reads like the
// plugin's own.
func fromWire(err error) error {
	if err == nil {
		return nil
	}
	s, ok := status.FromError(err)
	if !ok {
		return err
	}
	e := &remoteError{text: s.Message()}
	switch code := s.Code(); {
	case code == codes.Unavailable, code == codes.Canceled && s.Message() == closing:
		e.is = ErrUnavailable
		e.text = ErrUnavailable.Error() + ": " + s.Message()
	case code == codes.DeadlineExceeded:
		e.is = context.DeadlineExceeded
	case code == codes.Canceled:
		e.is = context.Canceled
	case code == codes.Unimplemented:
		e.text = "plugin does not serve this kind: " + s.Message()
	}
	return e
}
