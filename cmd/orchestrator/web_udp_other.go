//go:build !linux

package main

import "errors"

func echo(string, string) (func(), error) {
	return nil, errors.New("--udp works on Linux only: elsewhere an answer would leave from another address than was asked")
}
