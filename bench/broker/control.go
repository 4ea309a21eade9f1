package broker

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"time"
)

// ServeControl answers the line protocol on l until the broker is closed. It
// takes ownership of l. Each request is one line, each answer too:
//
//	counters          the Counters as JSON
//	reset             ok: all counts are 0
//	topic NAME:COUNT  ok: the topic exists with that many partitions
//	delay 5ms [all]   ok: connections made from now on answer that late, to Produce or to all
//	away on|off       ok: clients are hung up on
//	verify on|off     ok: from the next batch on
//	anything else     error: why not
func (b *Broker) ServeControl(l net.Listener) error { return b.accept(l, false, b.control) }

func (b *Broker) control(c net.Conn) {
	lines := bufio.NewScanner(c) // refuses lines over 64 KiB
	for lines.Scan() {
		answer, err := b.command(strings.TrimSpace(lines.Text()))
		if err != nil {
			answer = "error: " + err.Error()
		}
		if _, err := fmt.Fprintln(c, answer); err != nil {
			return
		}
	}
}

func (b *Broker) command(line string) (string, error) {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "counters":
		j, err := json.Marshal(b.Counters())
		return string(j), err
	case "reset":
		b.ResetCounters()
	case "topic":
		name, partitions, err := ParseTopic(rest)
		if err == nil {
			err = b.AddTopic(name, partitions)
		}
		if err != nil {
			return "", err
		}
	case "delay":
		rest, all := strings.CutSuffix(rest, " all")
		d, err := time.ParseDuration(rest)
		if err != nil {
			return "", fmt.Errorf("cannot set the delay: %w", err)
		}
		b.SetDelay(d, all)
	case "verify", "away":
		if rest != "on" && rest != "off" {
			return "", fmt.Errorf("cannot set %s to %q: say on or off", verb, rest)
		}
		if verb == "away" {
			b.SetAway(rest == "on")
		} else {
			b.SetVerify(rest == "on")
		}
	default:
		return "", fmt.Errorf("cannot do %q: known are counters, reset, topic, delay, away, verify", verb)
	}
	return "ok", nil
}
