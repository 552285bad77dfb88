package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set by the build: -ldflags "-X main.release=1.2.3".
var release = ""

// version is the release, or what the build knows of the sources.
func version() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	settings := map[string]string{}
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if revision := settings["vcs.revision"]; len(revision) >= 12 {
		text := "0.0.0-" + revision[:12]
		if settings["vcs.modified"] == "true" {
			text += "-modified"
		}
		return text
	}
	return "0.0.0-unreleased"
}

func versionCommand(a *app) *cobra.Command {
	return a.jsonFlag(&cobra.Command{
		Use: "version", Short: "Show the program's version", Args: cobra.NoArgs,
		Long:    "Show the version of this program. The daemon may still run another one: \"orchestrator status --json\" tells its version.",
		Example: "  orchestrator version --json",
		RunE: func(*cobra.Command, []string) error {
			v := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
				System  string `json:"system"`
			}{version(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
			if a.json {
				return a.printJSON(v)
			}
			_, err := fmt.Fprintf(a.stdout, "orchestrator %s (%s, %s)\n", v.Version, v.System, v.Go)
			return err
		},
	})
}
