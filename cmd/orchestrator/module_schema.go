package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

func moduleSchema(a *app) *cobra.Command {
	var ofCluster bool
	c := &cobra.Command{
		Use: "schema", Short: "Print the XML schema of userconfig.xml, for editors", Args: cobra.NoArgs,
		Long: `Print the XML schema of userconfig.xml. An editor that knows it (VS Code with an
XML extension, Emacs, IntelliJ, Visual Studio) completes names, explains them, and
marks mistakes while they are made. "orchestrator module check" finds more of them:
a schema cannot tell what must fit together.`,
		Example: `  orchestrator module schema > userconfig.xsd
  xmllint --noout --schema userconfig.xsd shop/conf/userconfig.xml`,
	}
	c.Flags().BoolVar(&ofCluster, "cluster", false, "that of SafeKit's cluster.xml instead")
	c.RunE = func(*cobra.Command, []string) error {
		root := config.Schema()
		if ofCluster {
			root = config.ClusterSchema()
		}
		_, err := fmt.Fprint(a.stdout, config.XSD(root))
		return err
	}
	return c
}
