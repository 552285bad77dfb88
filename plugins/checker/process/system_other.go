//go:build !linux && !windows

package process

import (
	"context"
	"errors"
	"runtime"
	"time"
)

const argsKnown = false

// none answers that nothing can be told here.
type none struct{}

var errNone = errors.New("processes cannot be listed on " + runtime.GOOS)

func newSystem() system { return none{} }

func (none) processes(context.Context, time.Duration) ([]proc, error) { return nil, errNone }
func (none) matches(shown, asked string) bool                         { return shown == asked }
func (none) service(context.Context, string) (string, error)          { return "", errNone }
func (none) died(int, func()) (func(), bool)                          { return nil, false }
func (none) births(func(proc), func()) (func(), error)                { return nil, errNoEvents }
func (none) changed(context.Context, string, func()) (func(), error)  { return nil, errNoEvents }
