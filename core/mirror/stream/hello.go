package stream

import (
	"encoding/binary"
	"fmt"
	"io"
	"time"
)

// Version is that of the protocol. Both ends must have the same.
const Version = 2

const magic = "orchestrator/mirror\n"

func writeHello(w io.ReadWriteCloser) error {
	if _, err := w.Write(binary.BigEndian.AppendUint32([]byte(magic), Version)); err != nil {
		return fmt.Errorf("greet the peer: %w", err)
	}
	return nil
}

func readHello(r io.ReadWriteCloser) error {
	b := make([]byte, len(magic)+4)
	if _, err := io.ReadFull(r, b); err != nil {
		return fmt.Errorf("wait for the peer's greeting: %w", err)
	}
	if string(b[:len(magic)]) != magic {
		return fmt.Errorf("the peer does not speak the mirror protocol: it began with %q", b[:len(magic)])
	}
	if v := binary.BigEndian.Uint32(b[len(magic):]); v != Version {
		return fmt.Errorf("the peer speaks version %d of the mirror protocol, this node version %d: install the same release on both", v, Version)
	}
	return nil
}

// greet does the two halves of the greeting, and closes conn when that fails or takes
// longer than patience.
func greet(conn io.ReadWriteCloser, patience time.Duration, first, second func(io.ReadWriteCloser) error) error {
	late := time.AfterFunc(patience, func() { conn.Close() })
	err := first(conn)
	if err == nil {
		err = second(conn)
	}
	if !late.Stop() {
		err = &StalledError{patience}
	}
	if err != nil {
		conn.Close()
	}
	return err
}
