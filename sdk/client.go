package sdk

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"

	pluginpb "github.com/orchestrator-ha/orchestrator/sdk/proto"
)

// Client is the host's side of a connection to a plugin process.
type Client struct {
	conn         grpc.ClientConnInterface
	descriptions []Description
}

// NewClient asks the process at the other end what it serves.
func NewClient(ctx context.Context, conn grpc.ClientConnInterface) (*Client, error) {
	r, err := pluginpb.NewPluginClient(conn).Describe(ctx, &pluginpb.DescribeRequest{})
	if err != nil {
		return nil, fmt.Errorf("ask plugin for its description: %w", fromWire(err))
	}
	c := &Client{conn: conn}
	for _, d := range r.Plugins {
		c.descriptions = append(c.descriptions, Description{
			Name: d.Name, Kind: Kind(d.Kind), Version: d.Version, Summary: d.Summary,
			Schema: d.Schema, Platforms: d.Platforms, Unavailable: d.Unavailable,
		})
	}
	return c, nil
}

// Descriptions tells what the process serves, as it was when the client was made.
func (c *Client) Descriptions() []Description { return slices.Clone(c.descriptions) }

// Description finds the plugin with this kind and name.
func (c *Client) Description(kind Kind, name string) (Description, error) {
	for _, d := range c.descriptions {
		if d.Kind == kind && d.Name == name {
			return d, nil
		}
	}
	return Description{}, fmt.Errorf("plugin process serves no %s/%s", kind, name)
}

// Checker gives the checker of that name.
func (c *Client) Checker(name string) (*RemoteChecker, error) {
	d, err := c.Description(KindChecker, name)
	return &RemoteChecker{rpc: pluginpb.NewCheckerClient(c.conn), d: d}, err
}

// Filter gives the filter of that name. Close it after use.
func (c *Client) Filter(name string) (*RemoteFilter, error) {
	d, err := c.Description(KindFilter, name)
	return newRemoteFilter(pluginpb.NewFilterClient(c.conn), d), err
}

// Application gives the application controller of that name.
func (c *Client) Application(name string) (*RemoteApplication, error) {
	d, err := c.Description(KindApplication, name)
	return &RemoteApplication{rpc: pluginpb.NewApplicationClient(c.conn), d: d}, err
}

// Ping fails if the process does not answer before ctx ends.
func (c *Client) Ping(ctx context.Context) error {
	_, err := pluginpb.NewPluginClient(c.conn).Describe(ctx, &pluginpb.DescribeRequest{})
	return fromWire(err)
}
