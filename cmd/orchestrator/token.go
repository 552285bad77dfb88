package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const tokenLong = `Give out a token with which a program may use the API of every server of the cluster, at
port 9010: it sends the header Authorization: Bearer TOKEN. The token alone is printed
to standard output.

A role says what it may do: monitor reads, which is what Prometheus needs; control moves
modules as well, admin does all. --user is the name that the journal tells of what was
done with it.

A token cannot be taken back by itself. All of them end, and all logins to the console,
when cluster/admin.token gets another text, the same on all servers.`

func tokenCommand(a *app) *cobra.Command {
	var (
		q    control.AccessRequest
		role string
		ttl  time.Duration
	)
	c := a.jsonFlag(&cobra.Command{
		Use: "token", Short: "Give out a token with which a program may use the API", Args: cobra.NoArgs, Long: tokenLong,
		Example: "  orchestrator token --user prometheus > orchestrator.token\n  orchestrator token --user deploy --role control --ttl 24h",
	})
	c.Flags().StringVar(&q.User, "user", "", "`NAME` of the program (default that of the role)")
	roleFlag(c, &role, control.Monitor, "it")
	c.Flags().DurationVar(&ttl, "ttl", 365*24*time.Hour, "how long it is good")
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := q.Role.UnmarshalText([]byte(role)); err != nil {
			return usagef("--role: %v", err)
		}
		if ttl <= 0 {
			return usagef("--ttl %s is not positive", ttl)
		}
		q.TTL = control.Duration(ttl)
		client, err := a.client()
		if err != nil {
			return err
		}
		var t control.AccessToken
		if err := client.Post(cmd.Context(), "/v1/token", q, &t); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(t)
		}
		fmt.Fprintf(a.stderr, "good for %s, with the role %s, until %s\n", clean(t.User), t.Role, t.Expires.Local().Format(time.DateTime))
		_, err = fmt.Fprintln(a.stdout, t.Token)
		return err
	}
	return c
}

// roleFlag is the flag for what somebody may do who is let in.
func roleFlag(c *cobra.Command, role *string, def control.Role, who string) {
	c.Flags().StringVar(role, "role", def.String(), "what "+who+" may do: the `ROLE` monitor, control or admin")
	completeFlag(c, "role", always("monitor", "control", "admin"))
}
