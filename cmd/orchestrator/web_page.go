package main

import (
	"fmt"
	"hash/fnv"
	"html"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// longestSlow limits /slow.
const longestSlow = 10 * time.Minute

// tiles is the number of tiles of the mosaic.
const tiles = 48

// web answers requests and counts connections.
type web struct {
	node   string
	mux    http.ServeMux
	ending atomic.Bool // answers close their connections

	mu    sync.Mutex
	conns map[net.Conn]bool
	empty chan struct{} // not nil: closed when there are no connections
}

func newWeb(node string) *web {
	s := &web{node: node, conns: map[net.Conn]bool{}}
	s.mux.HandleFunc("GET /{$}", s.page)
	s.mux.HandleFunc("GET /tile", s.tile)
	s.mux.HandleFunc("GET /slow", s.slow)
	s.mux.HandleFunc("GET /health", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "OK") })
	return s
}

func (s *web) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Node", s.node)
	w.Header().Set("Cache-Control", "no-store")
	if s.ending.Load() {
		w.Header().Set("Connection", "close")
	}
	s.mux.ServeHTTP(w, r)
}

// count keeps the set of connections.
func (s *web) count(c net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[c] = true
	case http.StateClosed, http.StateHijacked:
		delete(s.conns, c)
	}
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// quiet is closed as soon as there is no connection.
func (s *web) quiet() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := make(chan struct{})
	if len(s.conns) == 0 {
		close(c)
		return c
	}
	s.empty = c
	return c
}

// page is the mosaic. Its first line is the node's name, for programs.
func (s *web) page(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	name := html.EscapeString(s.node)
	var images strings.Builder
	for i := range tiles {
		fmt.Fprintf(&images, `<img src="/tile?%d" alt="">`, i)
	}
	fmt.Fprintf(w, pageText, name, color(s.node), images.String())
}

const pageText = `<!-- %[1]s -->
<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>%[1]s</title>
<meta name="viewport" content="width=device-width">
<style>
body{font:16px system-ui,sans-serif;margin:2em;max-width:60em}
b{color:%[2]s}
div{display:grid;grid-template-columns:repeat(auto-fill,minmax(6em,1fr));gap:4px}
img{width:100%%;border-radius:4px}
</style>
<p>This page came from <b>%[1]s</b>. Each tile is a connection of its own, and shows the server that answered it.</p>
<div>%[3]s</div>
<script>
setInterval(function(){
  var all=document.images, one=all[Math.floor(Math.random()*all.length)]
  one.src="/tile?"+Math.random()
},100)
</script>
</html>
`

// tile is one picture on a connection of its own.
func (s *web) tile(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Connection", "close")
	fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 64"><rect width="96" height="64" fill="%s"/>`+
		`<text x="48" y="38" font-family="sans-serif" font-size="18" fill="#fff" text-anchor="middle">%s</text></svg>`,
		color(s.node), html.EscapeString(s.node))
}

// color is a node's colour, as CSS.
func color(node string) string {
	h := fnv.New32a()
	h.Write([]byte(node)) //nolint:errcheck // cannot fail
	return fmt.Sprintf("hsl(%d 65%% 40%%)", h.Sum32()*137%360)
}

// slow answers after a while.
func (s *web) slow(w http.ResponseWriter, r *http.Request) {
	ms, err := strconv.Atoi(r.FormValue("ms"))
	wait := time.Duration(ms) * time.Millisecond
	if err != nil || wait < 0 || wait > longestSlow {
		http.Error(w, fmt.Sprintf("ms is a number of milliseconds up to %d", longestSlow.Milliseconds()), http.StatusBadRequest)
		return
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		fmt.Fprintf(w, "%s after %s\n", s.node, wait)
	case <-r.Context().Done():
	}
}
