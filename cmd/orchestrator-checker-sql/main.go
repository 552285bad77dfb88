// Command orchestrator-checker-sql is the checker sql as a program of its own: the
// daemon starts it when a module asks for one. Its drivers would make every other part
// of the product larger.
package main

import (
	"fmt"
	"os"

	"github.com/orchestrator-ha/orchestrator/plugins/checker/sql"
	"github.com/orchestrator-ha/orchestrator/sdk"
)

func main() {
	if err := sdk.Serve(sql.New()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
