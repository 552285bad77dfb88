package main

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/pluginhost"
	appprocess "github.com/orchestrator-ha/orchestrator/plugins/application/process"
	"github.com/orchestrator-ha/orchestrator/plugins/application/systemd"
	"github.com/orchestrator-ha/orchestrator/plugins/application/w3svc"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/address"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/custom"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/dns"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/http"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/module"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/ping"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/process"
	"github.com/orchestrator-ha/orchestrator/plugins/checker/tcp"
	"github.com/orchestrator-ha/orchestrator/plugins/filter/ebpf"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

// builtinPlugins are the plugins in this program. Those of a kind share a process,
// which is this program again, called as serveCommand says.
func builtinPlugins() []pluginhost.Plugin {
	plugin := func(kind sdk.Kind, name string) pluginhost.Plugin {
		return pluginhost.Plugin{Kind: kind, Name: name, Program: pluginhost.Program{Args: "plugin serve " + string(kind)}}
	}
	var all []pluginhost.Plugin
	for _, c := range checkers() {
		all = append(all, plugin(sdk.KindChecker, c.Describe().Name))
	}
	return append(all,
		pluginhost.Separate(sdk.KindChecker, "sql"), // cmd/orchestrator-checker-sql
		plugin(sdk.KindFilter, "ebpf"),
		plugin(sdk.KindApplication, "process"),
		plugin(sdk.KindApplication, "systemd"),
		plugin(sdk.KindApplication, "w3svc"))
}

// serveCommand is the command line of the plugins' processes.
func serveCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "serve KIND", Short: "Serve the built-in plugins of a kind; the daemon calls it", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			switch kind := sdk.Kind(args[0]); kind {
			case sdk.KindChecker:
				return sdk.Serve(checkers()...)
			case sdk.KindApplication:
				return sdk.Serve(appprocess.New(), systemd.New(), w3svc.New())
			case sdk.KindFilter:
				return a.serveFilter()
			default:
				return usagef("there are no plugins of kind %q: there are %s", kind, strings.Join(pluginKinds(), ", "))
			}
		},
	}
}

// checkers are the built-in ones: a new one is one more here.
func checkers() []sdk.Plugin {
	return []sdk.Plugin{
		tcp.New(), ping.New(), address.NewInterface(), address.NewAddress(), custom.New(luaChecks{}), module.New(), http.New(), dns.New(), process.New(),
	}
}

func pluginKinds() []string {
	return []string{string(sdk.KindChecker), string(sdk.KindFilter), string(sdk.KindApplication)}
}

// envAttach names the way by which the packet filter is attached, if that works.
const envAttach = "ORCHESTRATOR_FILTER_ATTACH"

// serveFilter serves the packet filter. Where it can never work it says so to
// whoever asks; any other failure ends the process, and the host tries again.
func (a *app) serveFilter() error {
	home, err := a.homeDir()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	_ = level.UnmarshalText([]byte(a.get(sdk.EnvLogLevel))) // absent or odd: info
	log := slog.New(slog.NewJSONHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	filter, err := ebpf.New(pinDir(home), log)
	if err != nil && (runtime.GOOS != "linux" || os.Geteuid() != 0) {
		return sdk.Serve(noFilter{err})
	}
	if err != nil {
		return err
	}
	defer filter.Close() //nolint:errcheck // the process ends, the pins stay
	if how := a.get(envAttach); how != "" {
		if err := filter.Prefer(how); err != nil {
			return sdk.Serve(noFilter{fmt.Errorf("%s: %w", envAttach, err)})
		}
	}
	go filter.Warm()
	return sdk.Serve(filter)
}
