package daemon

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

// signingSecret is what logins are signed with: the same on all nodes, empty without a
// cluster.
func (d *Daemon) signingSecret() string {
	if m := d.current(); m != nil {
		return m.adminToken()
	}
	return ""
}

// Invite makes a link to the console of this node that is good for one login.
func (d *Daemon) Invite(_ context.Context, by string, r control.InviteRequest) (control.Invitation, error) {
	m := d.current()
	if m == nil {
		return control.Invitation{}, errNoCluster
	}
	user, err := userName(r.User, r.Role)
	if err != nil {
		return control.Invitation{}, err
	}
	conf := m.settings()
	me, _ := conf.Node(m.id.Node.Number)
	i := control.Invitation{User: user, Role: r.Role, Certificate: m.id.CertificateFingerprint().String()}
	i.Token, i.Expires = d.sessions.Invite(user, r.Role)
	host := net.JoinHostPort(primary(conf, me).String(), strconv.Itoa(int(conf.Ports.API)))
	i.URL = "https://" + host + "/#" + i.Token // what stands behind # reaches no log of a server
	d.note("command", "info", fmt.Sprintf("%s invites %s into the console, with the role %s.", by, user, r.Role), map[string]any{"by": by}, 0)
	return i, nil
}

// Access makes a token with which a program may use the API of every node.
func (d *Daemon) Access(_ context.Context, by string, r control.AccessRequest) (control.AccessToken, error) {
	r.Role = cmp.Or(r.Role, control.Monitor)
	user, err := userName(r.User, r.Role)
	if err != nil {
		return control.AccessToken{}, err
	}
	life := time.Duration(r.TTL)
	if life <= 0 || life > maxAccess {
		return control.AccessToken{}, &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("a token is good for more than 0 and at most %v", maxAccess)}
	}
	m := d.current()
	if m == nil {
		return control.AccessToken{}, errNoCluster
	}
	t, err := d.sessions.Token(user, r.Role, life)
	if err == nil {
		err = m.addAccess(by, accessList{Tokens: map[string]control.TokenInfo{t.ID: {ID: t.ID, User: user, Role: r.Role, Expires: t.Expires, Given: time.Now().Round(0), By: by}}})
	}
	if err != nil {
		return control.AccessToken{}, err
	}
	d.note("command", "info", fmt.Sprintf("%s gives out a token to %s, with the role %s, good until %s, id %s.", by, user, r.Role, t.Expires.Local().Format(time.DateTime), t.ID), map[string]any{"by": by}, 0)
	return t, nil
}

// maxAccess is for how long a token may be good: nobody remembers one that is older.
const maxAccess = 10 * 365 * 24 * time.Hour

// userName is the name of who logs in; of one that is not told that of the role.
func userName(name string, role control.Role) (string, error) {
	name = cmp.Or(strings.TrimSpace(name), role.String())
	if len(name) > maxUser || strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c == 0x7f }) {
		return "", &control.Refusal{Kind: control.ErrInput, Text: fmt.Sprintf("a user has a name of at most %d characters, without control characters", maxUser)}
	}
	return name, nil
}

// maxUser is the longest name of a user, in bytes.
const maxUser = 64

// Entered takes note of a login to the console.
func (d *Daemon) Entered(c control.Caller) {
	d.note("command", "info", fmt.Sprintf("%s logs in to the console, with the role %s.", c.Name, c.Role), map[string]any{"by": c.Name}, 0)
}

// Refused takes note of logins to the console that failed.
func (d *Daemon) Refused(from string, times int) {
	d.note("command", "warn", fmt.Sprintf("Logins to the console were refused: %d, the last from %s.", times, from), map[string]any{"from": from, "times": times}, 0)
}

// Carried takes note of what somebody asked for, and what became of it.
func (d *Daemon) Carried(c control.Command) {
	level := "info"
	if !c.OK {
		level = "warn"
	}
	d.noteModule(c.Module, "command", level, c.Text(), map[string]any{"by": c.By, "what": c.What, "ok": c.OK}, 0)
}
