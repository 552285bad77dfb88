package pluginhost

import (
	"context"
	"errors"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// Application is an application controller, whichever process it is in now.
type Application struct {
	host *Host
	name string
}

// attempts is how often a call is repeated in a new process when the plugin
// died before it answered.
const attempts = 3

// Application gives the controller of that name; whether there is one is told
// by its methods.
func (h *Host) Application(name string) *Application { return &Application{host: h, name: name} }

// Available tells whether the controller works on this node, and if not why.
func (a *Application) Available(ctx context.Context) (ok bool, reason string) {
	d, err := a.host.Describe(ctx, sdk.KindApplication, a.name)
	if err != nil {
		return false, err.Error()
	}
	return d.Unavailable == "", d.Unavailable
}

// Start starts an instance and returns when it runs; nil if it already did.
// Errors are the plugin's own words, a *SettingsError, or ErrUnavailable if
// the plugin cannot be brought to answer.
func (a *Application) Start(ctx context.Context, r sdk.AppRequest) error {
	return a.call(ctx, r, true, func(p *sdk.RemoteApplication) error { return p.Start(ctx, r) })
}

// Stop stops an instance and returns when nothing of it runs. Errors are as
// Start's. Without settings the plugin goes by the instance's name alone.
func (a *Application) Stop(ctx context.Context, r sdk.AppRequest) error {
	return a.call(ctx, r, false, func(p *sdk.RemoteApplication) error { return p.Stop(ctx, r) })
}

// Status looks at an instance; unknown if the plugin cannot be asked.
func (a *Application) Status(ctx context.Context, r sdk.AppRequest) sdk.Result {
	var res sdk.Result
	err := a.call(ctx, r, false, func(p *sdk.RemoteApplication) error {
		res = p.Status(ctx, r)
		return nil
	})
	if err != nil {
		return sdk.Result{Status: sdk.StatusUnknown, Reason: err.Error()}
	}
	return res
}

// call finds the plugin, checks the settings, which a start must have, and calls
// f, again if the plugin died meanwhile: starting and stopping twice does no
// harm.
func (a *Application) call(ctx context.Context, r sdk.AppRequest, start bool, f func(*sdk.RemoteApplication) error) error {
	p, err := a.host.lookup(sdk.KindApplication, a.name)
	if err != nil {
		return err
	}
	who := key(sdk.KindApplication, a.name)
	for range attempts {
		var s *session
		if s, err = p.wait(ctx, who); err != nil {
			return err
		}
		var c *sdk.RemoteApplication
		if c, err = s.client.Application(a.name); err != nil {
			return err
		}
		if len(r.Settings) > 0 || start {
			if err = a.host.validate(c.Describe(), r.Settings); err != nil {
				return err
			}
		}
		if err = f(c); !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return err
		}
		err = &unavailable{p.gone(ctx, s, who)}
	}
	return err
}
