package sql

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/orchestrator-ha/orchestrator/sdk"
)

// tdsPacket is one packet of an answer: MS-TDS, 2.2.3.1.
func tdsPacket(body []byte) []byte {
	const answer, last = 0x04, 0x01
	p := []byte{answer, last, 0, 0, 0, 0, 1, 0}
	binary.BigEndian.PutUint16(p[2:], uint16(8+len(body)))
	return append(p, body...)
}

// readTDS reads packets to the last one of a message.
func readTDS(conn net.Conn) error {
	for header := make([]byte, 8); ; {
		if _, err := io.ReadFull(conn, header); err != nil {
			return err
		}
		if _, err := io.CopyN(io.Discard, conn, int64(binary.BigEndian.Uint16(header[2:]))-8); err != nil {
			return err
		}
		if header[1]&1 != 0 {
			return nil
		}
	}
}

// refusal is an error and the end of an answer: MS-TDS, 2.2.7.10 and 2.2.7.6.
func refusal(number uint32, message string) []byte {
	var e bytes.Buffer
	text := utf16.Encode([]rune(message))
	for _, v := range []any{number, uint8(1), uint8(14), uint16(len(text)), text, uint8(0), uint8(0), uint32(1)} {
		_ = binary.Write(&e, binary.LittleEndian, v) // a buffer takes everything
	}
	tokens := binary.LittleEndian.AppendUint16([]byte{0xAA}, uint16(e.Len()))
	tokens = append(tokens, e.Bytes()...)
	const done, failed = 0xFD, 2
	return append(tokens, done, failed, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// sqlServerThatSays goes as far as the login, and refuses it with a number.
func sqlServerThatSays(t *testing.T, number uint32, message string) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	// Version and encryption, which it does not have: MS-TDS, 2.2.6.5.
	greeting := []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xFF, 16, 0, 0, 0, 0, 0, 2}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			for _, answer := range [][]byte{greeting, refusal(number, message)} {
				if readTDS(conn) == nil {
					_, _ = conn.Write(tdsPacket(answer))
				}
			}
			_ = conn.Close()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// A SQL Server that refuses the login works; one whose database is not there does not.
func TestSQLServerRefuses(t *testing.T) {
	const password = "hush hush"
	for _, c := range []struct {
		number  uint32
		message string
		status  sdk.Status
		says    string
	}{
		{18456, "Login failed for user 'monitor'.", sdk.StatusUnknown, "it answers, but refuses what the check asks: login error: Login failed for user 'monitor'. (18456)"},
		{4060, "Cannot open database \"shop\".", sdk.StatusDown, "Cannot open database \"shop\". (4060)"},
	} {
		port := sqlServerThatSays(t, c.number, c.message)
		r := check(t, set{"driver": "sqlserver", "port": port, "user": "monitor", "database": "shop", "password_file": passwordFile(t, password), "timeout": "20s"})
		if r.Status != c.status || !strings.HasSuffix(r.Reason, c.says) || strings.Contains(r.Reason, "hush") {
			t.Errorf("%d: got %+v, want %s %q", c.number, r, c.status, c.says)
		}
	}
}
