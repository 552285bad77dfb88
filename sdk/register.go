package sdk

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// Register adds the services of the plugins to a gRPC server. It fails if two
// have the same kind and name, or if one does not implement its kind.
func Register(s grpc.ServiceRegistrar, plugins ...Plugin) error {
	checkers, filters, apps := named[Checker]{}, named[Filter]{}, named[Application]{}
	for _, p := range plugins {
		d := p.Describe()
		var err error
		switch d.Kind {
		case KindChecker:
			err = checkers.add(d, p)
		case KindFilter:
			err = filters.add(d, p)
		case KindApplication:
			err = apps.add(d, p)
		default:
			err = fmt.Errorf("plugin %q has kind %q; use checker, filter or application", d.Name, d.Kind)
		}
		if err != nil {
			return fmt.Errorf("register plugin: %w", err)
		}
	}
	pluginpb.RegisterPluginServer(s, &pluginServer{plugins: plugins})
	pluginpb.RegisterCheckerServer(s, &checkerServer{checkers: checkers})
	pluginpb.RegisterFilterServer(s, &filterServer{filters: filters})
	pluginpb.RegisterApplicationServer(s, &applicationServer{apps: apps})
	return nil
}

// named holds the plugins of one kind by name.
type named[T any] map[string]T

func (n named[T]) add(d Description, p Plugin) error {
	t, ok := p.(T)
	switch {
	case d.Name == "":
		return fmt.Errorf("a %s has no name", d.Kind)
	case !ok:
		return fmt.Errorf("%s %q (%T) lacks methods of that kind", d.Kind, d.Name, p)
	}
	if _, dup := n[d.Name]; dup {
		return fmt.Errorf("two plugins are called %s/%s", d.Kind, d.Name)
	}
	n[d.Name] = t
	return nil
}

func (n named[T]) get(name string) (T, error) {
	t, ok := n[name]
	if !ok {
		var names []string
		for k := range n {
			names = append(names, k)
		}
		slices.Sort(names)
		return t, status.Errorf(codes.NotFound, "this process serves no plugin %q here, only [%s]", name, strings.Join(names, " "))
	}
	return t, nil
}

// pluginServer tells the host what the process serves.
type pluginServer struct {
	pluginpb.UnimplementedPluginServer
	plugins []Plugin
}

func (s *pluginServer) Describe(context.Context, *pluginpb.DescribeRequest) (*pluginpb.DescribeResponse, error) {
	r := &pluginpb.DescribeResponse{}
	for _, p := range s.plugins {
		d := describe(p)
		r.Plugins = append(r.Plugins, &pluginpb.Description{
			Name: d.Name, Kind: string(d.Kind), Version: d.Version, Summary: d.Summary,
			Schema: d.Schema, Platforms: d.Platforms, Unavailable: d.Unavailable,
		})
	}
	return r, nil
}
