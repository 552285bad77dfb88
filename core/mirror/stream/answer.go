package stream

import (
	"encoding/binary"
	"fmt"
)

// answer is what the receiver sends: a kind, a number, a text.
type answer struct {
	kind answerKind
	seq  Seq
	text []byte
}

type answerKind byte

const (
	answerApplied answerKind = iota + 1 // all operations up to seq
	answerDurable                       // Fsync seq
	answerFailed                        // operation seq, why
	answerWord                          // text is for the daemon
)

func appendAnswer(b []byte, a answer) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(9+len(a.text)))
	b = append(b, byte(a.kind))
	b = binary.BigEndian.AppendUint64(b, uint64(a.seq))
	return append(b, a.text...)
}

func parseAnswer(b []byte) (answer, error) {
	if len(b) < 9 || b[0] < byte(answerApplied) || b[0] > byte(answerWord) {
		return answer{}, fmt.Errorf("the peer sent an answer that is not one: %x", b[:min(len(b), 16)])
	}
	return answer{answerKind(b[0]), Seq(binary.BigEndian.Uint64(b[1:])), append([]byte(nil), b[9:]...)}, nil
}
