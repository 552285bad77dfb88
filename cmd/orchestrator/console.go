package main

import (
	"fmt"
	"net"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const consoleLong = `Print a link that opens the web console of this server. It is good for one login
within ten minutes; the browser then stays logged in for eight hours. Every server has
the console, at port 9010, and shows the whole cluster; its links to the others log in
there, too.

A role says what one may do there: monitor looks, control moves modules as well, admin
does all. --user is the name that the journal tells of what was done.

Your browser does not know the cluster's own authority and warns of the certificate.
Compare the fingerprint that it shows with the one that is printed here, or import
cluster/authority.crt from the directory of any server once, and be warned no more.`

func consoleCommand(a *app) *cobra.Command {
	var (
		q       control.InviteRequest
		role    string
		address string
	)
	c := a.jsonFlag(&cobra.Command{
		Use: "console", Short: "Print a link to the web console, good for one login", Args: cobra.NoArgs, Long: consoleLong,
		Example: "  orchestrator console\n  orchestrator console --user anna --role control\n  orchestrator console --address console.example.com:9010",
	})
	c.Flags().StringVar(&q.User, "user", "", "`NAME` of who logs in (default that of the role)")
	roleFlag(c, &role, control.Admin, "they")
	c.Flags().StringVar(&address, "address", "", "`HOST[:PORT]` by which the browser reaches this server (default its address in the cluster)")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := q.Role.UnmarshalText([]byte(role)); err != nil {
			return usagef("--role: %v", err)
		}
		client, err := a.client()
		if err != nil {
			return err
		}
		var i control.Invitation
		if err := client.Post(cmd.Context(), "/v1/console", q, &i); err != nil {
			return err
		}
		if i.URL, err = movedTo(i.URL, address); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(i)
		}
		_, err = fmt.Fprintf(a.stdout, "%s\n\ngood for one login of %s, with the role %s, until %s\ncertificate of this server, SHA-256: %s\n",
			i.URL, clean(i.User), i.Role, i.Expires.Local().Format("15:04:05"), fingerprint(i.Certificate))
		return err
	}
	return c
}

// movedTo is a link with another host, and port if there is one.
func movedTo(link, address string) (string, error) {
	u, err := url.Parse(link)
	if err != nil || address == "" {
		return link, err
	}
	host := address
	if _, _, err := net.SplitHostPort(address); err != nil {
		host = net.JoinHostPort(strings.Trim(address, "[]"), u.Port())
	}
	if u.Host = host; u.Hostname() == "" || strings.ContainsAny(host, "/ #?@") {
		return "", usagef("--address %q is not HOST or HOST:PORT", address)
	}
	return u.String(), nil
}

// fingerprint is a hash as browsers show it.
func fingerprint(hex string) string {
	var pairs []string
	for i := 0; i+2 <= len(hex); i += 2 {
		pairs = append(pairs, strings.ToUpper(hex[i:i+2]))
	}
	return strings.Join(pairs, ":")
}
