package sdk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	plugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// pluginSet is the name under which the services of a process are known to
// go-plugin.
const pluginSet = "orchestrator"

// Handshake is what host and plugin show each other before they talk. It keeps
// a person from starting a plugin by hand; it is no secret.
func Handshake() plugin.HandshakeConfig {
	return plugin.HandshakeConfig{
		ProtocolVersion:  1,
		MagicCookieKey:   "ORCHESTRATOR_PLUGIN",
		MagicCookieValue: "served-by-host",
	}
}

// ErrNotStartedByHost is what Serve answers in a process that the host did not
// start.
var ErrNotStartedByHost = errors.New("this program is a plugin of orchestrator, which starts it by itself")

// Serve serves plugins to the host that started this process; main of a plugin
// is little more than this call. It returns when the host ends the connection,
// or at once with an error if the plugins contradict each other or no host
// started the process. When the host dies the process exits, after
// it has stopped the applications that are not to go on without the host (AppRequest.Bound).
//
// Serve takes the process over: standard output belongs to the protocol, and
// slog's default logger writes to the host's log.
func Serve(plugins ...Plugin) error {
	cookie := Handshake()
	if os.Getenv(cookie.MagicCookieKey) != cookie.MagicCookieValue {
		return ErrNotStartedByHost
	}
	if err := Register(discard{}, plugins...); err != nil {
		return err
	}
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(os.Getenv(EnvLogLevel))) // absent or odd: info
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	if err := exitWithParent(orphans.stop); err != nil {
		return fmt.Errorf("watch the host: %w", err)
	}
	nameProcess()
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: cookie,
		Plugins:         plugin.PluginSet{pluginSet: &bridge{plugins: plugins}},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: os.Stderr, JSONFormat: true}),
	})
	return nil
}

// EnvLogLevel is the variable with the least level that a plugin logs.
const EnvLogLevel = "ORCHESTRATOR_PLUGIN_LOG"

// HostPlugins is the set that a host offers to go-plugin; dispensing
// HostPluginName gives a *Client.
func HostPlugins() plugin.PluginSet { return plugin.PluginSet{pluginSet: &bridge{}} }

// HostPluginName is the one name in HostPlugins.
const HostPluginName = pluginSet

// describeTimeout is how long a plugin may take to describe itself.
const describeTimeout = 10 * time.Second

// bridge connects the twins to go-plugin.
type bridge struct {
	plugin.NetRPCUnsupportedPlugin
	plugins []Plugin // plugin side only
}

var _ plugin.GRPCPlugin = (*bridge)(nil)

// GRPCServer registers the plugins' services; go-plugin calls it in the plugin.
func (b *bridge) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	return Register(s, b.plugins...)
}

// GRPCClient makes the *Client; go-plugin calls it in the host.
func (b *bridge) GRPCClient(ctx context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, describeTimeout)
	defer cancel()
	return NewClient(ctx, conn)
}

// discard lets Register look for contradictions before anything is served.
type discard struct{}

func (discard) RegisterService(*grpc.ServiceDesc, any) {}
