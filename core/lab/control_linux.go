package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// control serves a lab's control socket: GET /status, POST /fault, POST /down.
type control struct {
	server *http.Server
	ended  chan struct{}
}

func serveControl(l *Lab) (*control, error) {
	path := l.place.control()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("remove an old control socket: %w", err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("serve the lab's control socket: %w", err)
	}
	c := &control{server: &http.Server{Handler: routes(l), ReadHeaderTimeout: 5 * time.Second}, ended: make(chan struct{})}
	go func() {
		defer close(c.ended)
		_ = c.server.Serve(listener) // ends with ErrServerClosed
	}()
	return c, nil
}

func routes(l *Lab) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, l.Status())
	})
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		var f Fault
		err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&f)
		if err == nil {
			err = l.Do(r.Context(), f)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		answer(w, l.Status())
	})
	mux.HandleFunc("POST /down", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusAccepted)
		go func() { _ = l.Close() }() // whoever waits for Done asks Close for its error
	})
	return mux
}

func answer(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the reader has gone if not
}

func (c *control) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	err := c.server.Shutdown(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = c.server.Close()
	}
	<-c.ended
	return err
}
