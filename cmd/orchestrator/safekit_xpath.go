package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/antchfx/xmlquery"
	"github.com/antchfx/xpath"

	"github.com/orchestrator-ha/orchestrator/core/config"
)

// getXPath prints what an XPath finds in a module's active configuration, one result a
// line. It reads the file that the daemon has written, so a hook can use it whatever
// the daemon does.
func getXPath(s *safekit, c call) error {
	module := c.module()
	if module == "" {
		return errors.New("name the module: xpathGet -m AM XPATH; in a module's scripts SAFEMODULE says it")
	}
	expr, err := xpath.Compile(c.arg(0))
	if err != nil {
		return fmt.Errorf("%q is no XPath: %w", c.arg(0), err)
	}
	document, err := s.activeDocument(module)
	if err != nil {
		return err
	}
	lines := found(expr.Evaluate(xmlquery.CreateXPathNavigator(document)))
	for _, line := range lines {
		fmt.Fprintln(s.stdout, line)
	}
	if len(lines) == 0 {
		return silent(exitOldFailed)
	}
	return nil
}

// activeDocument reads the configuration that a module uses on this server.
func (s *safekit) activeDocument(module string) (*xmlquery.Node, error) {
	home, err := s.homeDir()
	if err != nil {
		return nil, err
	}
	if filepath.Base(module) != module || module == ".." {
		return nil, fmt.Errorf("%q is no name of a module", module)
	}
	f, err := os.Open(filepath.Join(home, "active", module, filepath.FromSlash(config.ExpandedFile)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no module %q on this server; orchestrator status shows all", module)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", module, err)
	}
	defer f.Close()
	document, err := xmlquery.Parse(f)
	if err != nil {
		return nil, fmt.Errorf("read the configuration of %s: %w", module, err)
	}
	return document, nil
}

// found makes lines of the four kinds of values that an XPath has (XPath 1.0, section
// 1): attributes and texts as their value, elements as XML. False and the empty text
// are nothing.
func found(value any) []string {
	var lines []string
	switch v := value.(type) {
	case *xpath.NodeIterator:
		for v.MoveNext() {
			at := v.Current().(*xmlquery.NodeNavigator)
			if at.NodeType() == xpath.ElementNode {
				lines = append(lines, at.Current().OutputXML(true))
				continue
			}
			lines = append(lines, at.Value())
		}
	case bool:
		if v {
			lines = []string{"true"}
		}
	case float64:
		lines = []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case string:
		if v != "" {
			lines = []string{v}
		}
	}
	return lines
}
