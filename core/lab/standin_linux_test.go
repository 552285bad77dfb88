package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// The test binary stands in for the program: as daemon, as command line and as
// owner of a lab.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || strings.HasPrefix(os.Args[1], "-") {
		os.Exit(m.Run())
	}
	if err := standIn(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(7)
	}
}

func standIn(args []string) error {
	home := os.Getenv("ORCHESTRATOR_HOME")
	switch strings.Join(args[:min(2, len(args))], " ") {
	case "daemon":
		return standInDaemon(home)
	case "broken":
		return errors.New("the configuration is broken")
	case "mute":
		select {}
	case "lab hold":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		defer stop()
		return Hold(ctx, args[3], args[5], Options{Log: slog.Default()})
	default:
		return standInCluster(args, filepath.Join(home, "..", "..", "members.json"))
	}
}

func standInDaemon(home string) error {
	name := filepath.Base(filepath.Dir(home))
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Node", name)
		_, _ = io.WriteString(w, "console of "+name)
	})
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write(make([]byte, 100_000))
	})
	for _, address := range []string{":80", ":9010"} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		go func() { _ = http.Serve(listener, mux) }()
	}
	socket := filepath.Join(home, "orchestrator.sock")
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	return http.Serve(listener, mux)
}

type member struct {
	Name  string `json:"name"`
	Alive bool   `json:"alive"`
}

// standInCluster keeps the members in a file and knows the expected commands.
func standInCluster(args []string, path string) error {
	var members []member
	if text, err := os.ReadFile(path); err == nil {
		if err := json.Unmarshal(text, &members); err != nil {
			return err
		}
	}
	command := strings.Join(args, " ")
	add := func(name string) error {
		text, err := json.Marshal(append(members, member{Name: name, Alive: true}))
		if err != nil {
			return err
		}
		return os.WriteFile(path, text, 0o600)
	}
	switch {
	case command == "cluster init --name n1 --address 10.77.0.1":
		return add("n1")
	case command == "cluster token --json":
		fmt.Printf("{\"token\":\"secret%d\"}\n", len(members))
	case command == "cluster status --json":
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"nodes": members})
	case slices.Contains(args, "join"):
		name := nodeName(len(members) + 1)
		want := fmt.Sprintf("cluster join --token secret%d --name %s --address %s 10.77.0.1", len(members), name, NodeAddress(len(members)+1))
		if command != want {
			return fmt.Errorf("got  %s\nwant %s", command, want)
		}
		return add(name)
	default:
		return fmt.Errorf("unknown command: %s", command)
	}
	return nil
}
