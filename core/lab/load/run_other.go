//go:build !linux

package load

import (
	"context"
	"errors"
)

// Run answers an error on this system.
func Run(context.Context, Config, func(Report)) (Report, error) {
	return Report{}, errors.New("the load generator works with epoll and network namespaces: run it on Linux")
}
