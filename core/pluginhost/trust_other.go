//go:build !unix

package pluginhost

// trusted leaves it to the system who may write where programs are.
func trusted(string) error { return nil }
