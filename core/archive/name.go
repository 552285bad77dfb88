package archive

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName leaves room for the folder it is unpacked into on Windows, where a
// path has 260 characters.
const maxName = 200

// checkName refuses names that would leave the folder, or mean something else
// on another system: the nodes of a cluster need not run the same one.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case !utf8.ValidString(name):
		return fmt.Errorf("the name is not UTF-8")
	case len(name) > maxName:
		return fmt.Errorf("the name has %d bytes, the limit is %d", len(name), maxName)
	case strings.Contains(name, `\`):
		return fmt.Errorf("the name contains a backslash")
	case strings.HasPrefix(name, "/"):
		return fmt.Errorf("the name is an absolute path")
	case strings.ContainsAny(name, `:*?"<>|`):
		return fmt.Errorf("the name contains one of : * ? \" < > |, which Windows cannot store")
	case strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("the name contains a control character")
	}
	for part := range strings.SplitSeq(name, "/") {
		if err := checkPart(part); err != nil {
			return err
		}
	}
	return nil
}

func checkPart(part string) error {
	switch {
	case part == "":
		return fmt.Errorf("the name has an empty part")
	case part == "." || part == "..":
		return fmt.Errorf("the name leaves its folder through %q", part)
	case strings.HasSuffix(part, ".") || strings.HasSuffix(part, " "):
		return fmt.Errorf("%q ends with a dot or a space, which Windows drops", part)
	case device(part):
		return fmt.Errorf("%q is a device on Windows", part)
	}
	return nil
}

// device tells the names that Windows keeps for devices, whatever follows the
// first dot ("Naming Files, Paths, and Namespaces", Microsoft).
func device(part string) bool {
	stem, _, _ := strings.Cut(part, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	port, isPort := strings.CutPrefix(stem, "COM")
	if !isPort {
		port, isPort = strings.CutPrefix(stem, "LPT")
	}
	return isPort && len([]rune(port)) == 1 && strings.ContainsAny(port, "0123456789¹²³")
}

// fold is equal for names that a file system without letter case takes for the
// same.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
