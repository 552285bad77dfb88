package main

import (
	"context"
	"fmt"
	"net/url"
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

"token list" shows those that are good, "token withdraw" ends one. All of them end, and all
logins to the console, when cluster/admin.token gets another text, the same on all
servers.`

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
	c.AddCommand(tokenList(a), tokenWithdraw(a))
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
		fmt.Fprintf(a.stderr, "good for %s, with the role %s, until %s; id %s\n", clean(t.User), t.Role, t.Expires.Local().Format(time.DateTime), clean(t.ID))
		_, err = fmt.Fprintln(a.stdout, t.Token)
		return err
	}
	return c
}

func tokenList(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "list", Short: "Show the tokens that are good", Args: cobra.NoArgs,
		Long: `Show the tokens of programs that are good, by whom each was given out, and its id. What
they open is not shown: nobody keeps that.`, Example: "  orchestrator token list",
	})
	c.RunE = func(cmd *cobra.Command, _ []string) error {
		all, err := a.tokens(cmd.Context())
		if err != nil {
			return err
		}
		if a.json {
			return a.printJSON(all)
		}
		t := table{heads: []string{"ID", "USER", "ROLE", "GOOD UNTIL", "GIVEN", "BY"}}
		for _, k := range all {
			t.add(plain(k.ID), plain(k.User), plain(k.Role.String()), plain(k.Expires.Local().Format(time.DateTime)), plain(k.Given.Local().Format(time.DateTime)), plain(k.By))
		}
		return t.write(a.stdout, a.color(a.stdout), 0)
	}
	return c
}

func tokenWithdraw(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "withdraw ID", Short: "End a token", Args: cobra.ExactArgs(1),
		Long: `End a token before its time, on all servers, and what it has opened in a browser. ID is
its id, or the beginning of that; the token itself does as well. A server that is switched off
hears of it when it is back.`,
		Example: "  orchestrator token withdraw BQ2X",
		ValidArgsFunction: inOrder(func([]string) []string {
			all, _ := a.tokens(context.Background()) // completion that fails shows nothing
			var ids []string
			for _, t := range all {
				ids = append(ids, t.ID+"\t"+t.User)
			}
			return ids
		}),
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var out control.Outcome
		if err := client.Delete(cmd.Context(), "/v1/tokens/"+url.PathEscape(args[0]), &out); err != nil {
			return err
		}
		return a.outcome(out)
	}
	return c
}

func (a *app) tokens(ctx context.Context) (all []control.TokenInfo, err error) {
	client, err := a.client()
	if err == nil {
		err = client.Get(ctx, "/v1/tokens", &all)
	}
	return all, err
}

// roleFlag is the flag for what somebody may do who is let in.
func roleFlag(c *cobra.Command, role *string, def control.Role, who string) {
	c.Flags().StringVar(role, "role", def.String(), "what "+who+" may do: the `ROLE` monitor, control or admin")
	completeFlag(c, "role", always("monitor", "control", "admin"))
}
