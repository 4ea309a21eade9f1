package broker

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

func TestEachAdminVersionIsAnswered(t *testing.T) {
	b, err := New(Config{Topics: map[string]int{"t": 12}})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	for v := range int16(5) {
		req := kmsg.NewPtrApiVersionsRequest()
		req.Version = v
		w.send(req)
		if resp := w.receive(req).(*kmsg.ApiVersionsResponse); len(resp.ApiKeys) != len(spoken) {
			t.Errorf("v%d announces %d requests", v, len(resp.ApiKeys))
		}
	}
	for v := range int16(6) {
		req := kmsg.NewPtrInitProducerIDRequest()
		req.Version = v
		w.send(req)
		if resp := w.receive(req).(*kmsg.InitProducerIDResponse); resp.ProducerID != int64(v)+1 {
			t.Errorf("v%d gives producer id %d", v, resp.ProducerID)
		}
	}
	for v := range int16(13) {
		req := kmsg.NewPtrMetadataRequest()
		req.Version = v
		for _, name := range []string{"t", "nope"} {
			mt := kmsg.NewMetadataRequestTopic()
			mt.Topic = kmsg.StringPtr(name)
			req.Topics = append(req.Topics, mt)
		}
		w.send(req)
		resp := w.receive(req).(*kmsg.MetadataResponse)
		if len(resp.Topics) != 2 || len(resp.Topics[0].Partitions) != 12 || resp.Topics[1].ErrorCode != errUnknownTopic {
			t.Errorf("v%d describes %+v", v, resp.Topics)
		}
	}
}

func TestAFutureApiVersionsIsAnsweredWithCode35(t *testing.T) {
	b, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	w := pipe(t, b)
	if _, err := w.c.Write([]byte{0, 0, 0, 12, 0, 18, 0, 99, 0, 0, 0, 1, 0xff, 0xff, 1, 2}); err != nil {
		t.Fatal(err)
	}
	resp := w.receive(kmsg.NewPtrApiVersionsRequest()).(*kmsg.ApiVersionsResponse)
	if resp.ErrorCode != errUnsupportedVersion || len(resp.ApiKeys) == 0 {
		t.Errorf("answered %+v", resp)
	}
}

func TestControlPort(t *testing.T) {
	b, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	client, server := net.Pipe()
	b.start(server, false, b.control)
	defer func() { client.Close(); b.Close() }()
	lines := bufio.NewReader(client)
	ask := func(line string) string {
		fmt.Fprintln(client, line)
		answer, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(answer)
	}
	for _, line := range []string{"topic t:3", "delay 5ms", "verify on", "topic t:3"} {
		if got := ask(line); got != "ok" {
			t.Errorf("%q is answered %q", line, got)
		}
	}
	for _, line := range []string{"", "topic t:4", "topic t:x", "topic :0", "delay soon", "verify maybe", "stop"} {
		if got := ask(line); !strings.HasPrefix(got, "error: cannot ") {
			t.Errorf("%q is answered %q", line, got)
		}
	}
	b.counters.add(&tally{records: 3, batches: 1})
	var got Counters
	if err := json.Unmarshal([]byte(ask("counters")), &got); err != nil || got.Records != 3 || got.Requests != 1 {
		t.Errorf("counters are %+v, %v", got, err)
	}
	answer, after := ask("reset"), b.Counters()
	if answer != "ok" || after != (Counters{CPU: after.CPU}) {
		t.Errorf("reset is answered %q and leaves %+v", answer, after)
	}
}

func TestMainServesUntilItsInputEnds(t *testing.T) {
	in, stop := io.Pipe()
	out, printed := io.Pipe()
	code := make(chan int)
	go func() {
		code <- Main(flag.NewFlagSet("broker", flag.ContinueOnError), []string{"-topic", "t:2"}, in, printed, io.Discard)
	}()
	var addr, control string
	if _, err := fmt.Fscanf(out, "kafka %s control %s\n", &addr, &control); err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, c: c}
	if _, code := w.produce(9, "t", 1, batch(1, 0, 0, "v")); code != 0 {
		t.Errorf("answered code %d", code)
	}
	c.Close()
	stop.Close()
	if got := <-code; got != 0 {
		t.Errorf("ended with %d", got)
	}
	for _, args := range [][]string{{"-topic", "t:many"}, {"-nonsense"}} {
		if got := Main(flag.NewFlagSet("broker", flag.ContinueOnError), args, strings.NewReader(""), io.Discard, io.Discard); got != 2 {
			t.Errorf("%q ended with %d", args, got)
		}
	}
}
