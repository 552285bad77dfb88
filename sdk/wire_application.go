package sdk

import (
	"context"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// applicationServer is the plugin's twin.
type applicationServer struct {
	pluginpb.UnimplementedApplicationServer
	apps named[Application]
}

func (s *applicationServer) Start(ctx context.Context, r *pluginpb.ApplicationRequest) (*pluginpb.Done, error) {
	a, err := s.apps.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	orphans.start(r.Plugin, a, fromRequest(r))
	return &pluginpb.Done{}, a.Start(ctx, fromRequest(r))
}

func (s *applicationServer) Stop(ctx context.Context, r *pluginpb.ApplicationRequest) (*pluginpb.Done, error) {
	a, err := s.apps.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	err = a.Stop(ctx, fromRequest(r))
	if err == nil {
		orphans.stopped(r.Plugin, r.Instance)
	}
	return &pluginpb.Done{}, err
}

func (s *applicationServer) Status(ctx context.Context, r *pluginpb.ApplicationRequest) (*pluginpb.CheckResult, error) {
	a, err := s.apps.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	return toResult(a.Status(ctx, fromRequest(r))), nil
}

func fromRequest(r *pluginpb.ApplicationRequest) AppRequest {
	return AppRequest{Instance: r.Instance, Settings: r.Settings, Force: r.Force, Bound: r.Bound}
}

// RemoteApplication is the host's twin: an Application in another process.
type RemoteApplication struct {
	rpc pluginpb.ApplicationClient
	d   Description
}

var _ Application = (*RemoteApplication)(nil)

// Describe gives the description that the plugin sent when it started.
func (a *RemoteApplication) Describe() Description { return a.d }

// Start starts the application. The error is ErrUnavailable if the plugin died.
func (a *RemoteApplication) Start(ctx context.Context, r AppRequest) error {
	_, err := a.rpc.Start(ctx, a.request(r))
	return fromWire(err)
}

// Stop stops the application. The error is ErrUnavailable if the plugin died.
func (a *RemoteApplication) Stop(ctx context.Context, r AppRequest) error {
	_, err := a.rpc.Stop(ctx, a.request(r))
	return fromWire(err)
}

// Status looks at the application; unknown if the plugin cannot be asked.
func (a *RemoteApplication) Status(ctx context.Context, r AppRequest) Result {
	res, err := a.rpc.Status(ctx, a.request(r))
	if err != nil {
		return Result{Status: StatusUnknown, Reason: fromWire(err).Error()}
	}
	return fromResult(res)
}

func (a *RemoteApplication) request(r AppRequest) *pluginpb.ApplicationRequest {
	return &pluginpb.ApplicationRequest{Plugin: a.d.Name, Instance: r.Instance, Settings: r.Settings, Force: r.Force, Bound: r.Bound}
}
