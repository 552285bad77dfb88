package sdk

import (
	"crypto/x509"
	"fmt"
	"os"
)

// Authorities reads the certificates of authorities from a file in PEM. An error says
// that there is none in it, or why it cannot be read.
func Authorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("there is no certificate in %s", path)
	}
	return pool, nil
}
