package daemon

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core"
	"github.com/orchestrator-ha/orchestrator/core/catalog"
	"github.com/orchestrator-ha/orchestrator/core/cluster"
	"github.com/orchestrator-ha/orchestrator/core/control"
	"github.com/orchestrator-ha/orchestrator/core/pki"
	"github.com/orchestrator-ha/orchestrator/core/share"
)

// defaultNetwork is the name of the network of addresses given without one.
const defaultNetwork = "default"

// joinTime limits the talk with the member that lets this node in.
const joinTime = 20 * time.Second

// Init founds a cluster with this node.
func (d *Daemon) Init(_ context.Context, by string, r control.InitRequest) (control.Outcome, error) {
	d.found.Lock()
	defer d.found.Unlock()
	addresses, local, networks, err := own(r.Addresses, r.Local)
	if err != nil {
		return control.Outcome{}, err
	}
	if err := pki.CheckName(r.Name); err != nil {
		return control.Outcome{}, refuseInput(err)
	}
	id, err := pki.Create(d.path("cluster"), pki.Node{Number: 1, Name: r.Name, Addresses: listOf(addresses)})
	if err != nil {
		return control.Outcome{}, refused(err)
	}
	conf, err := firstConfig(id.Keys.Cluster, networks, addresses, r)
	if err == nil {
		err = errors.Join(d.writeFirst(conf, by), d.writeLocal(local))
	}
	if err == nil {
		err = d.startMember(id)
	}
	if err != nil {
		return control.Outcome{}, errors.Join(refuseInput(err), d.forgetCluster())
	}
	return control.Outcome{Text: fmt.Sprintf("cluster %s founded; this node is %s. Let others in with: orchestrator cluster token. A web console is opened by: orchestrator console", conf.Name, r.Name)}, nil
}

// firstConfig is the document of a cluster with one node.
func firstConfig(id string, networks []string, addresses map[string]netip.Addr, r control.InitRequest) (cluster.Config, error) {
	conf, _, err := cluster.NewConfig(id, r.Cluster, networks...).AddNode(r.Name, addresses)
	if err != nil {
		return conf, err
	}
	conf.Hash = share.Function(cmp.Or(r.Hash, functions()[0]))
	if err := errors.Join(conf.Validate()...); err != nil {
		return conf, err
	}
	return conf, checkFunction(r.Name, conf.Hash, functions())
}

// writeFirst stores the first cluster document and the admin token.
func (d *Daemon) writeFirst(conf cluster.Config, by string) error {
	secret := make([]byte, 24)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make the admin token: %w", err)
	}
	token := base64.RawURLEncoding.EncodeToString(secret)
	if err := replaceDurably(d.path("cluster", "admin.token"), []byte(token+"\n")); err != nil {
		return fmt.Errorf("write the admin token: %w", err)
	}
	c, err := catalog.Open(d.path("catalog"), 1)
	if err != nil {
		return err
	}
	content, err := json.Marshal(conf)
	if err != nil {
		return err
	}
	_, err = c.Put(clusterItem, content, nil, by)
	return err
}

// forgetCluster removes all that makes this node a member.
func (d *Daemon) forgetCluster() error {
	return errors.Join(pki.Remove(d.path("cluster")), os.RemoveAll(d.path("catalog")), removeIf(d.path("cluster", "admin.token")), removeIf(d.localFile()))
}

func parseAddresses(given map[string]string) (map[string]netip.Addr, []string, error) {
	all, names := map[string]netip.Addr{}, []string{}
	for name, text := range given {
		if name == "" {
			name = defaultNetwork
		}
		a, err := netip.ParseAddr(text)
		if err != nil || a.IsUnspecified() {
			return nil, nil, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("%q is not an IP address: give this node's own address with --address, e.g. --address 10.0.0.1", text)}
		}
		all[name] = a
		names = append(names, name)
	}
	if len(all) == 0 {
		return nil, nil, &control.Refusal{Kind: control.ErrInput, Text: "no address given: say under which address the other nodes reach this one, with --address"}
	}
	return all, sortedFirst(names, defaultNetwork), nil
}

// Token makes a one-time token with which a node can join.
func (d *Daemon) Token(_ context.Context, by string, ttl time.Duration) (control.TokenReply, error) {
	m := d.current()
	if m == nil {
		return control.TokenReply{}, errNoCluster
	}
	token, expires, err := m.tokens.Issue(ttl)
	if err != nil {
		return control.TokenReply{}, refuseInput(err)
	}
	conf := m.settings()
	me, _ := conf.Node(m.id.Node.Number)
	return control.TokenReply{
		Token: token, Expires: expires,
		Command: fmt.Sprintf("orchestrator cluster join --token %s %s", token, primary(conf, me)),
	}, nil
}

// admission is the answer to a new node: the keys, and the admin token.
type admission struct {
	Join  pki.JoinReply `json:"join"`
	Admin string        `json:"admin"`
}

// Admit lets a node with a token in.
func (d *Daemon) Admit(_ context.Context, request json.RawMessage) (json.RawMessage, error) {
	m := d.current()
	if m == nil {
		return nil, errNoCluster
	}
	var r pki.JoinRequest
	if err := json.Unmarshal(request, &r); err != nil {
		return nil, refuseInput(fmt.Errorf("read the join request: %w", err))
	}
	d.found.Lock()
	defer d.found.Unlock()
	reply, err := m.id.Admit(m.tokens, r, d.opt.Version, func(r pki.JoinRequest) (core.NodeID, json.RawMessage, error) {
		return m.enroll(r)
	})
	if err != nil {
		if n := d.strangers.refuse(time.Now()); n > 0 {
			d.note("command", "warn", strangerText(r.Name, n, err), nil, 0)
		}
		return nil, refused(err)
	}
	d.note("member", "info", fmt.Sprintf("%s joined the cluster.", r.Name), nil, 0)
	return json.Marshal(admission{Join: reply, Admin: m.adminToken()})
}

// enroll writes a new node into the cluster document.
func (m *member) enroll(r pki.JoinRequest) (core.NodeID, json.RawMessage, error) {
	conf, err := m.readConfig()
	if err != nil {
		return 0, nil, err
	}
	if err := checkFunction(r.Name, conf.Hash, r.Hashes); err != nil {
		return 0, nil, err
	}
	next, node, err := conf.AddNode(r.Name, r.Addresses)
	switch {
	case errors.Is(err, cluster.ErrNameTaken):
		return 0, nil, pki.ErrNameTaken
	case err != nil:
		return 0, nil, err
	}
	if err := errors.Join(next.Validate()...); err != nil {
		return 0, nil, err
	}
	if err := m.crowded(len(next.Nodes)); err != nil {
		return 0, nil, err
	}
	content, err := json.Marshal(next)
	if err != nil {
		return 0, nil, err
	}
	_, err = m.catalog.Put(clusterItem, content, nil, "join of "+r.Name)
	return node.Number, content, err
}

// Join makes this node a member of a cluster.
func (d *Daemon) Join(ctx context.Context, by string, r control.JoinRequest) (control.Outcome, error) {
	d.found.Lock()
	defer d.found.Unlock()
	if d.current() != nil {
		return control.Outcome{}, refused(pki.ErrMember)
	}
	addresses, local, _, err := own(r.Addresses, r.Local)
	if err != nil {
		return control.Outcome{}, err
	}
	joiner, err := pki.NewJoiner(r.Token, r.Name, addresses, d.opt.Version, functions()...)
	if err != nil {
		return control.Outcome{}, refuseInput(err)
	}
	ctx, cancel := context.WithTimeout(ctx, joinTime)
	defer cancel()
	answer, err := ask(ctx, joiner, r.Peer)
	if err != nil {
		return control.Outcome{}, refused(err)
	}
	id, err := joiner.Accept(d.path("cluster"), answer.Join)
	if err == nil {
		err = errors.Join(d.writeJoined(answer, id.Node.Number), d.writeLocal(local))
	}
	if err == nil {
		err = d.startMember(id)
	}
	if err != nil {
		return control.Outcome{}, errors.Join(err, d.forgetCluster())
	}
	return control.Outcome{Text: fmt.Sprintf("this node is now %s of the cluster", r.Name)}, nil
}

// writeJoined stores what the cluster gave a new node.
func (d *Daemon) writeJoined(a admission, self core.NodeID) error {
	if err := replaceDurably(d.path("cluster", "admin.token"), []byte(a.Admin+"\n")); err != nil {
		return fmt.Errorf("write the admin token: %w", err)
	}
	c, err := catalog.Open(d.path("catalog"), self)
	if err != nil {
		return err
	}
	_, err = c.Get(clusterItem)
	if errors.Is(err, catalog.ErrNotFound) {
		// Of the lowest possible version: the cluster's own wins at once.
		_, err = c.Put(clusterItem, a.Join.Config, nil, "join")
	}
	return err
}

// ask posts the join request to a member.
func ask(ctx context.Context, joiner *pki.Joiner, peer string) (admission, error) {
	var answer admission
	if _, _, err := net.SplitHostPort(peer); err != nil {
		peer = net.JoinHostPort(peer, strconv.Itoa(cluster.DefaultAPIPort))
	}
	payload, err := json.Marshal(joiner.Request())
	if err != nil {
		return answer, err
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: joiner.TLS()}}
	defer client.CloseIdleConnections()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+peer+"/v1/admit", bytes.NewReader(payload))
	if err != nil {
		return answer, fmt.Errorf("ask %s: %w", peer, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		var refusal *pki.JoinError
		if errors.As(err, &refusal) {
			return answer, refusal
		}
		var call *url.Error
		if errors.As(err, &call) {
			err = call.Err
		}
		return answer, fmt.Errorf("ask %s to let this node in: %w; is the address right, the daemon running there, and the port open in the firewall?", peer, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	if err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", peer, err)
	}
	if resp.StatusCode != http.StatusOK {
		var f struct{ Error string }
		if json.Unmarshal(raw, &f) != nil || f.Error == "" {
			f.Error = resp.Status
		}
		return answer, fmt.Errorf("%s did not let this node in: %s", peer, f.Error)
	}
	if err := json.Unmarshal(raw, &answer); err != nil {
		return answer, fmt.Errorf("read the answer of %s: %w", peer, err)
	}
	return answer, nil
}

func refused(err error) error     { return &control.Refusal{Kind: control.ErrRefused, Text: err.Error()} }
func refuseInput(err error) error { return &control.Refusal{Kind: control.ErrInput, Text: err.Error()} }

// sortedFirst sorts names, with one of them before all others.
func sortedFirst(names []string, first string) []string {
	slices.SortFunc(names, func(a, b string) int {
		if (a == first) != (b == first) {
			return map[bool]int{true: -1, false: 1}[a == first]
		}
		return strings.Compare(a, b)
	})
	return names
}

func listOf(addresses map[string]netip.Addr) []netip.Addr {
	return slices.Collect(maps.Values(addresses))
}
