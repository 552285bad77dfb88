package control

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
)

// Nodes finds the APIs of the cluster's nodes.
type Nodes interface {
	// Reach tells how the API of a node is asked; without a way it is this node's
	// own.
	Reach(node string) (base *url.URL, way http.RoundTripper, err error)
}

// elsewhere has another node answer: /v1/nodes/NODE/log is the /v1/log of NODE. Only
// reading goes through it, with the rights of a node, not with those of the caller,
// whose login stays here.
func (s *server) elsewhere(w http.ResponseWriter, r *http.Request) {
	path := "/v1/" + r.PathValue("path")
	if strings.HasPrefix(path, "/v1/nodes/") {
		s.answer(w, nil, fmt.Errorf("%w: a node answers for itself only", ErrNotFound))
		return
	}
	node := r.PathValue("node")
	base, way, err := s.b.Nodes.Reach(node)
	if err != nil {
		s.answer(w, nil, err)
		return
	}
	if way == nil {
		own := r.Clone(r.Context())
		own.URL.Path, own.URL.RawPath = path, ""
		s.mux.ServeHTTP(w, own)
		return
	}
	proxy := httputil.ReverseProxy{
		Transport:     way,
		FlushInterval: -1, // at once: a log may be followed
		Rewrite: func(p *httputil.ProxyRequest) {
			p.Out.URL = &url.URL{Scheme: base.Scheme, Host: base.Host, Path: path, RawQuery: r.URL.RawQuery}
			p.Out.Host = ""
			p.Out.Header = http.Header{}
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if r.Context().Err() == nil {
				s.answer(w, nil, fmt.Errorf("%w: %s: %w", ErrElsewhere, node, err))
			}
		},
	}
	proxy.ServeHTTP(w, r)
}
