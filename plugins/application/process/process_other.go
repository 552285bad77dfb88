//go:build !linux

package process

import (
	"context"
	"errors"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// New makes the controller, which can do nothing on this system and says so.
func New() sdk.Application { return none{} }

type none struct{}

func (none) Describe() sdk.Description                   { return describe() }
func (none) Start(context.Context, sdk.AppRequest) error { return errors.New(unavailable()) }
func (none) Stop(context.Context, sdk.AppRequest) error  { return nil } // nothing can run
func (none) Status(context.Context, sdk.AppRequest) sdk.Result {
	return sdk.Result{Status: sdk.StatusUnknown, Reason: unavailable()}
}
