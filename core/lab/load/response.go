package load

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// response reads one HTTP/1.1 answer (RFC 9112) as its bytes come in: as much
// of the protocol as small answers to GET need.
type response struct {
	head   []byte // until the blank line; then nil
	node   string
	first  []byte // begin of the body, until the node is known
	left   int64  // of the body or of the chunk; see framing
	frame  framing
	closes bool // the server ends the connection after it
	done   bool
}

type framing int

const (
	inHead    framing = iota
	counted           // left bytes to come
	untilEnd          // until the connection ends
	chunkSize         // a line with the size of the next chunk
	chunkData         // left bytes, the line end among them
	trailer           // lines until a blank one
)

const headLimit = 16 << 10

var errAnswer = errors.New("not an HTTP answer of success")

// feed takes what arrived. Bytes after the end of the answer are an error: we
// never ask twice at once.
func (r *response) feed(b []byte) error {
	for len(b) > 0 {
		if r.done {
			return errAnswer
		}
		var err error
		switch r.frame {
		case inHead:
			b, err = r.readHead(b)
		case chunkSize, trailer:
			b, err = r.readLine(b)
		default:
			b = r.readBody(b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *response) readHead(b []byte) ([]byte, error) {
	old := len(r.head)
	r.head = append(r.head, b...)
	end := bytes.Index(r.head, []byte("\r\n\r\n"))
	if end < 0 {
		if len(r.head) > headLimit {
			return nil, errAnswer
		}
		return nil, nil
	}
	rest := b[end+4-old:]
	lines := strings.Split(string(r.head[:end]), "\r\n")
	r.head = nil
	if version, status, ok := strings.Cut(lines[0], " "); !ok || !strings.HasPrefix(version, "HTTP/1.") || !strings.HasPrefix(status, "2") {
		return nil, errAnswer
	}
	r.frame = untilEnd
	for _, line := range lines[1:] {
		name, value, _ := strings.Cut(line, ":")
		if err := r.field(strings.ToLower(name), strings.TrimSpace(value)); err != nil {
			return nil, err
		}
	}
	if r.frame == untilEnd {
		r.closes = true
	}
	r.done = r.frame == counted && r.left == 0
	return rest, nil
}

func (r *response) field(name, value string) error {
	switch name {
	case "x-node":
		r.node = value
	case "connection":
		r.closes = strings.EqualFold(value, "close")
	case "transfer-encoding":
		r.frame = chunkSize
	case "content-length":
		length, err := strconv.ParseInt(value, 10, 64)
		if err != nil || length < 0 {
			return errAnswer
		}
		if r.frame == untilEnd {
			r.frame, r.left = counted, length
		}
	}
	return nil
}

// readLine gathers a line in head.
func (r *response) readLine(b []byte) ([]byte, error) {
	end := bytes.IndexByte(b, '\n')
	if end < 0 {
		r.head = append(r.head, b...)
		if len(r.head) > headLimit {
			return nil, errAnswer
		}
		return nil, nil
	}
	line := strings.TrimSpace(string(append(r.head, b[:end]...)))
	r.head = nil
	if r.frame == trailer {
		r.done = line == ""
		return b[end+1:], nil
	}
	digits, _, _ := strings.Cut(line, ";")
	size, err := strconv.ParseInt(strings.TrimSpace(digits), 16, 64)
	if err != nil || size < 0 {
		return nil, errAnswer
	}
	r.frame, r.left = chunkData, size+2
	if size == 0 {
		r.frame = trailer
	}
	return b[end+1:], nil
}

func (r *response) readBody(b []byte) []byte {
	take := b
	if r.frame != untilEnd {
		take = b[:min(int64(len(b)), r.left)]
		r.left -= int64(len(take))
	}
	if r.node == "" && len(r.first) < 64 {
		r.first = append(r.first, take[:min(len(take), 64-len(r.first))]...)
	}
	if r.left == 0 && r.frame == counted {
		r.done = true
	}
	if r.left == 0 && r.frame == chunkData {
		r.frame = chunkSize
	}
	return b[len(take):]
}

// end takes the end of the connection and says whether the answer was whole.
func (r *response) end() bool {
	if r.frame == untilEnd {
		r.done = true
	}
	return r.done
}

// name is the serving node: the header X-Node, or else the first line of the
// body.
func (r *response) name() string {
	if r.node != "" {
		return r.node
	}
	line, _, _ := bytes.Cut(r.first, []byte("\n"))
	return strings.ToValidUTF8(strings.TrimSpace(string(line)), "?")
}
