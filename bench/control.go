package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"

	"github.com/ekaf-go/ekaf/bench/broker"
)

// control is a connection to the counting broker's control port. It is for one
// goroutine.
type control struct {
	addr    string
	conn    net.Conn
	answers *bufio.Reader
}

func dialControl(addr string) (control, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return control{}, fmt.Errorf("cannot reach the broker's control port: %w", err)
	}
	return control{addr: addr, conn: conn, answers: bufio.NewReader(conn)}, nil
}

// ask sends one line and returns the answer.
func (c *control) ask(line string) (string, error) {
	if _, err := fmt.Fprintln(c.conn, line); err != nil {
		return "", fmt.Errorf("cannot ask the broker: %w", err)
	}
	answer, err := c.answers.ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("cannot read the broker's answer: %w", err)
	}
	answer = strings.TrimSpace(answer)
	if why, failed := strings.CutPrefix(answer, "error: "); failed {
		return "", fmt.Errorf("the broker answers %q: %s", line, why)
	}
	return answer, nil
}

func (c *control) counters() (counted broker.Counters, err error) {
	line, err := c.ask("counters")
	if err == nil {
		err = json.Unmarshal([]byte(line), &counted)
	}
	return counted, err
}

func (c *control) close() {
	if c.conn != nil {
		c.conn.Close()
	}
}
