package sdk

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// filterServer is the plugin's twin.
type filterServer struct {
	pluginpb.UnimplementedFilterServer
	filters named[Filter]
}

func (s *filterServer) Configure(ctx context.Context, r *pluginpb.ConfigureRequest) (*pluginpb.FilterState, error) {
	f, err := s.filters.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	c, err := fromConfigure(r)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	st, err := f.Configure(ctx, c)
	if err != nil {
		return nil, err
	}
	return toFilterState(st), nil
}

func (s *filterServer) SetTable(ctx context.Context, r *pluginpb.SetTableRequest) (*pluginpb.Done, error) {
	f, err := s.filters.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	t, err := fromTable(r)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	return &pluginpb.Done{}, f.SetTable(ctx, t)
}

// Lease passes renewals on until the host ends the stream. When the host dies
// nothing is done: the lease runs out by itself.
func (s *filterServer) Lease(stream pluginpb.Filter_LeaseServer) error {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&pluginpb.Done{})
		}
		if err != nil {
			return err
		}
		f, err := s.filters.get(r.Plugin)
		if err != nil {
			return err
		}
		if err := f.Renew(r.Deadline); err != nil {
			return err
		}
	}
}

func (s *filterServer) Sockets(ctx context.Context, r *pluginpb.SocketsRequest) (*pluginpb.SocketsResponse, error) {
	f, err := s.filters.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	groups, err := f.Sockets(ctx, r.Module)
	if err != nil {
		return nil, err
	}
	out := &pluginpb.SocketsResponse{Groups: make(map[string]*pluginpb.Counts, len(groups))}
	for name, counts := range groups {
		out.Groups[name] = &pluginpb.Counts{Counts: counts}
	}
	return out, nil
}

func (s *filterServer) State(ctx context.Context, r *pluginpb.StateRequest) (*pluginpb.FilterState, error) {
	f, err := s.filters.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	st, err := f.State(ctx)
	if err != nil {
		return nil, err
	}
	return toFilterState(st), nil
}

func (s *filterServer) Remove(ctx context.Context, r *pluginpb.RemoveRequest) (*pluginpb.Done, error) {
	f, err := s.filters.get(r.Plugin)
	if err != nil {
		return nil, err
	}
	return &pluginpb.Done{}, f.Remove(ctx, r.Module)
}
