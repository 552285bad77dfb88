// Package process is the application controller for plain programs. It starts a
// program in a control group of its own (cgroup v2), so that stopping ends
// every process that came of it, and lets it live on when the plugin or the
// daemon ends: a later Start with the same settings finds it running.
//
// Where there is no cgroup v2 to write to, the processes of the program's
// session are taken instead; what leaves the session (a second setsid) is then
// lost.
package process

import (
	"encoding/json"
	"fmt"
	"runtime"
	"time"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

const schema = `{
	"$schema": "https://json-schema.org/draft/2020-12/schema",
	"type": "object",
	"required": ["command"],
	"additionalProperties": false,
	"properties": {
		"command": {"type": "array", "minItems": 1, "items": {"type": "string"}, "description": "program and arguments; no shell reads them"},
		"env": {"type": "object", "additionalProperties": {"type": "string"}, "description": "added to the environment"},
		"hostname": {"type": "string", "minLength": 1, "maxLength": 64, "description": "host name that the program sees instead of the machine's"},
		"directory": {"type": "string", "pattern": "^/", "description": "working directory; / if left out"},
		"output": {"type": "string", "pattern": "^/", "description": "file to which standard output and error are appended"},
		"ready_tcp": {"type": "string", "pattern": ":[0-9]+$", "description": "address:port; started when a connection to it succeeds"},
		"stop_signal": {"enum": ["TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH", "KILL"]},
		"stop_timeout": {
			"description": "how long the program may take to end before it is killed; 10 s if left out",
			"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "pattern": "` + sdk.DurationPattern + `"}]
		}
	}
}`

// settings as the schema has them.
type settings struct {
	Command     []string          `json:"command"`
	Env         map[string]string `json:"env"`
	Hostname    string            `json:"hostname,omitempty"`
	Directory   string            `json:"directory"`
	Output      string            `json:"output"`
	ReadyTCP    string            `json:"ready_tcp"`
	StopSignal  string            `json:"stop_signal"`
	StopTimeout sdk.Duration      `json:"stop_timeout"`
}

// parse reads settings. To stop an instance none are needed.
func parse(raw json.RawMessage) (settings, error) {
	s := settings{Directory: "/", StopSignal: "TERM", StopTimeout: sdk.Duration(10 * time.Second)}
	if err := sdk.DecodeSettings(raw, &s); err != nil {
		return s, err
	}
	if len(raw) > 0 && (len(s.Command) == 0 || s.Command[0] == "") {
		return s, fmt.Errorf("read settings: command names no program")
	}
	return s, nil
}

// unavailable says why programs cannot be controlled on this system.
func unavailable() string {
	if runtime.GOOS == "linux" {
		return ""
	}
	return "programs are controlled on Linux only; this node runs " + runtime.GOOS
}

func describe() sdk.Description {
	return sdk.Description{
		Name: "process", Kind: sdk.KindApplication, Version: "1.0.0",
		Summary: "starts and stops a plain program with all its children",
		Schema:  json.RawMessage(schema), Platforms: []string{"linux"}, Unavailable: unavailable(),
	}
}
