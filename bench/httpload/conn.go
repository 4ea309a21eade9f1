package httpload

import (
	"bytes"
	"fmt"
	"net"
	"strconv"
	"time"
)

// maxAnswer is the most bytes of an answer, head and body.
const maxAnswer = 64 << 10

// Conn is one connection that is kept alive. It is for one goroutine.
type Conn struct {
	net.Conn
	in  []byte // what was read and not yet looked at
	buf []byte
}

// Dial connects to a server.
func Dial(addr string) (*Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot reach the server: %w", err)
	}
	return &Conn{Conn: conn, buf: make([]byte, 1<<10)}, nil
}

// Ask writes a request and reads the whole of its answer, of which it returns
// the status. It allocates nothing but room for larger answers than before.
func (c *Conn) Ask(request []byte) (status int, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, fmt.Errorf("cannot write a request: %w", err)
	}
	for need := 0; ; {
		if status, need, err = parse(c.in); err != nil {
			return 0, err
		}
		if need > 0 && len(c.in) >= need {
			c.in = c.in[need:]
			return status, nil
		}
		if err := c.more(need); err != nil {
			return 0, err
		}
	}
}

// more reads on, with room for an answer of that size.
func (c *Conn) more(need int) error {
	size := max(len(c.buf), need)
	if len(c.in) == size {
		size *= 2
	}
	if size > maxAnswer {
		return fmt.Errorf("cannot read an answer of more than %d bytes", maxAnswer)
	}
	if size > len(c.buf) {
		c.buf = make([]byte, size)
	}
	have := copy(c.buf, c.in)
	n, err := c.Read(c.buf[have:])
	if err != nil {
		return fmt.Errorf("cannot read an answer: %w", err)
	}
	c.in = c.buf[:have+n]
	return nil
}

var (
	version  = []byte("HTTP/1.1 ")
	headEnd  = []byte("\r\n\r\n")
	lengthIs = []byte("\r\nContent-Length: ")
)

// parse finds the status and the size of the answer at the beginning of b. The
// size is 0 while its head is not whole.
func parse(b []byte) (status, size int, err error) {
	end := bytes.Index(b, headEnd)
	if end < 0 {
		return 0, 0, nil
	}
	head := b[:end+2]
	if len(head) < len(version)+4 || !bytes.HasPrefix(head, version) {
		return 0, 0, fmt.Errorf("cannot read the answer %q", head)
	}
	at := bytes.Index(head, lengthIs)
	if at < 0 {
		return 0, 0, fmt.Errorf("cannot read an answer that does not tell its length: %q", head)
	}
	digits := head[at+len(lengthIs):]
	digits = digits[:bytes.IndexByte(digits, '\r')]
	length, bad := number(digits)
	code, worse := number(head[len(version) : len(version)+3])
	if bad || worse || length > maxAnswer {
		return 0, 0, fmt.Errorf("cannot read the answer %q", head)
	}
	return code, end + len(headEnd) + length, nil
}

func number(digits []byte) (n int, bad bool) {
	for _, d := range digits {
		if d < '0' || d > '9' || n > maxAnswer {
			return 0, true
		}
		n = 10*n + int(d-'0')
	}
	return n, len(digits) == 0
}

// Format makes the bytes of a POST.
func Format(path, contentType string, body []byte) []byte {
	head := "POST " + path + " HTTP/1.1\r\nHost: gateway\r\nContent-Type: " + contentType +
		"\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n\r\n"
	return append([]byte(head), body...)
}

// since is a time for the tally; 0 stands for none.
func since(t time.Time) time.Duration { return max(1, time.Since(t)) }
