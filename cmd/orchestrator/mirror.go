package main

import (
	"fmt"
	"io"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/control"
)

const mirrorLong = `The replicated data of a mirror: compare both copies, estimate a resynchronisation.
Run these on the primary. What is going on now is in 'orchestrator status MODULE'.`

func mirrorCommand(a *app) *cobra.Command {
	return noun("mirror", "The replicated data of a mirror: verify, estimate", mirrorLong, mirrorVerify(a), mirrorDiff(a))
}

func mirrorVerify(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "verify MODULE", Short: "Compare both copies, while the application goes on", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Compare the primary's copy of the replicated folders with the secondary's: names,
attributes and, by checksums, all data. Nothing is changed; the application goes on. It
reads everything on both servers, at the speed that reiallowedbw allows, and may be asked
for on either. The outcome is kept and shown in the primary's status. If the copies differ, 'orchestrator secondforce MODULE --node NODE' on
the secondary, after a stop there, copies what differs.`,
		Example: "  orchestrator mirror verify db",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var v control.Verification
		if err := client.Post(cmd.Context(), "/v1/modules/"+url.PathEscape(args[0])+"/verify", nil, &v); err != nil {
			return err
		}
		if a.json {
			if err := a.printJSON(v); err != nil {
				return err
			}
		} else if _, err := io.WriteString(a.stdout, verifyText(v)); err != nil {
			return err
		}
		if !v.Complete || v.Different > 0 {
			return silent(exitFailed)
		}
		return nil
	}
	return c
}

// verifyText tells the outcome of a comparison.
func verifyText(v control.Verification) string {
	var b strings.Builder
	for _, d := range v.Differences {
		fmt.Fprintf(&b, "%s %s\n", clean(d.Path), clean(d.What))
	}
	if more := v.Different - len(v.Differences); more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	what := "both copies are the same"
	switch {
	case !v.Complete:
		what = "the comparison was broken off: " + clean(v.Error)
	case v.Different > 0:
		what = fmt.Sprintf("the copies differ in %d files", v.Different)
	}
	fmt.Fprintf(&b, "%s (%d files, %s, in %s)\n", what, v.Files, size(v.Bytes), time.Duration(v.Took).Round(time.Millisecond))
	return b.String()
}

func mirrorDiff(a *app) *cobra.Command {
	c := a.jsonFlag(&cobra.Command{
		Use: "diff MODULE", Short: "Estimate what bringing the other server up to date takes", Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeModule,
		Long: `Add up what the record of changed zones says that the other server may lack: what
would be compared with it. Only what differs of that is sent. The time is what that takes at
the speed of the last resynchronisation since the daemon was started, or as reiallowedbw allows. Run it on
the server that is ALONE.`,
		Example: "  orchestrator mirror diff db",
	})
	c.RunE = func(cmd *cobra.Command, args []string) error {
		client, err := a.client()
		if err != nil {
			return err
		}
		var e control.ResyncEstimate
		if err := client.Get(cmd.Context(), "/v1/modules/"+url.PathEscape(args[0])+"/resync", &e); err != nil {
			return err
		}
		if a.json {
			return a.printJSON(e)
		}
		what := ""
		if e.Everything {
			what = "everything: "
		}
		took := ""
		if e.Took > 0 {
			took = fmt.Sprintf(", about %s", time.Duration(e.Took))
		}
		_, err = fmt.Fprintf(a.stdout, "%s%d files and directories with %s to compare%s\n", what, e.Files, size(e.Bytes), took)
		return err
	}
	return c
}

// size is a number of bytes as people say it.
func size(n int64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB", "PiB"}
	v, u := float64(n), 0
	for v >= 1024 && u < len(units)-1 {
		v, u = v/1024, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// replicationText tells where the replication of a mirror stands on a node.
func replicationText(r control.Replication) string {
	text := "replication: "
	switch {
	case r.Role == "stop":
		text += "stopped"
	case r.State == "alone":
		text += "without the secondary; what changes is recorded"
	default:
		text += r.State
	}
	if r.Connected && r.Role == "prim" {
		text += fmt.Sprintf("; the secondary lacks %d operations, %s", r.LagOperations, size(int64(r.LagBytes)))
		if r.Rate > 0 {
			text += fmt.Sprintf("; %s/s are sent", size(r.Rate))
		}
	}
	if x := r.Resync; x != nil && x.Running {
		text += fmt.Sprintf("; %s of %s in %d of %d files compared, %s sent", size(x.Done), size(x.Total), min(x.Files, x.Known), x.Known, size(x.Sent))
		if x.Rate > 0 {
			text += fmt.Sprintf(", %s/s", size(x.Rate))
		}
		if x.Left > 0 {
			text += fmt.Sprintf(", about %s left", time.Duration(x.Left).Round(time.Second))
		}
	}
	if !r.Connected && r.Why != "" {
		text += "; " + r.Why
	}
	if x := r.Verifying; x != nil {
		text += fmt.Sprintf("; it is verified: %s of %s in %d of %d files", size(x.Done), size(x.Total), min(x.Files, x.Known), x.Known)
		if x.Left > 0 {
			text += fmt.Sprintf(", about %s left", time.Duration(x.Left).Round(time.Second))
		}
	}
	if v := r.Verified; v != nil {
		outcome := "the same"
		switch {
		case !v.Complete:
			outcome = "broken off"
		case v.Different > 0:
			outcome = fmt.Sprintf("%d files differ", v.Different)
		}
		text += fmt.Sprintf("; verified %s: %s", v.At.Local().Format("2006-01-02 15:04"), outcome)
	}
	if r.NextSync != nil {
		text += "; synchronised at times, the next is " + r.NextSync.Local().Format("2006-01-02 15:04")
	}
	return text
}
