package sdk

import (
	"context"
	"encoding/json"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// checkerServer is the plugin's twin.
type checkerServer struct {
	pluginpb.UnimplementedCheckerServer
	checkers named[Checker]
}

func (s *checkerServer) Check(ctx context.Context, r *pluginpb.CheckRequest) (*pluginpb.CheckResult, error) {
	c, err := s.checkers.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	return toResult(safeCheck(ctx, c, r.Settings)), nil
}

func (s *checkerServer) Watch(r *pluginpb.WatchRequest, stream pluginpb.Checker_WatchServer) error {
	c, err := s.checkers.get(r.Plugin)
	if err != nil {
		return err
	}
	o := WatchOptions{
		Settings: r.Settings, Interval: time.Duration(r.IntervalNs),
		Timeout: time.Duration(r.TimeoutNs), Repeat: int(r.Repeat),
	}
	if o.Interval <= 0 {
		return status.Errorf(codes.InvalidArgument, "interval %v of checker %s must be positive", o.Interval, r.Plugin)
	}
	if o.Timeout <= 0 {
		o.Timeout = o.Interval
	}
	return watch(stream.Context(), c, o, func(res Result) error { return stream.Send(toResult(res)) })
}

func toResult(r Result) *pluginpb.CheckResult {
	r = valid(r)
	return &pluginpb.CheckResult{Status: string(r.Status), Reason: r.Reason, Detail: r.Detail, TookNs: int64(r.Took)}
}

func fromResult(r *pluginpb.CheckResult) Result {
	return valid(Result{Status: Status(r.Status), Reason: r.Reason, Detail: r.Detail, Took: time.Duration(r.TookNs)})
}

// valid makes of a result that breaks the rules one that says so.
func valid(r Result) Result {
	switch r.Status {
	case StatusUp:
	case StatusDown, StatusUnknown:
		if r.Reason == "" {
			r.Reason = "the plugin gave no reason"
		}
	default:
		r.Reason = "the plugin answered with status " + string(r.Status) + ", which is none of up, down, unknown"
		r.Status = StatusUnknown
	}
	return r
}

// RemoteChecker is the host's twin: a Checker in another process.
type RemoteChecker struct {
	rpc pluginpb.CheckerClient
	d   Description
}

var _ Checker = (*RemoteChecker)(nil)

// Describe gives the description that the plugin sent when it started.
func (c *RemoteChecker) Describe() Description { return c.d }

// Check looks once; unknown if the plugin cannot be asked.
func (c *RemoteChecker) Check(ctx context.Context, settings json.RawMessage) Result {
	r, err := c.rpc.Check(ctx, &pluginpb.CheckRequest{Plugin: c.d.Name, Settings: settings})
	if err != nil {
		return Result{Status: StatusUnknown, Reason: fromWire(err).Error()}
	}
	return fromResult(r)
}

// Stream reports results until ctx ends (nil) or the plugin can report no more
// (an error, ErrUnavailable if it died). report is called from this goroutine.
func (c *RemoteChecker) Stream(ctx context.Context, o WatchOptions, report func(Result)) error {
	stream, err := c.rpc.Watch(ctx, &pluginpb.WatchRequest{
		Plugin: c.d.Name, Settings: o.Settings, IntervalNs: int64(o.Interval),
		TimeoutNs: int64(o.Timeout), Repeat: uint32(max(o.Repeat, 1)),
	})
	for err == nil {
		var r *pluginpb.CheckResult
		if r, err = stream.Recv(); err == nil {
			report(fromResult(r))
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return fromWire(err)
}
