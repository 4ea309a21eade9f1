package main

import (
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf/ekaftest"
)

func TestTopics(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.Brokers(2), ekaftest.Topic("events", 3))
	t.Setenv("EKAF_BROKERS", strings.Join(c.Addrs(), ","))
	for _, step := range []struct {
		args string
		code int
		want []string
	}{
		{"topics list", exitDone, []string{"TOPIC ", "events  3 "}},
		{"topics create users orders --partitions 2 --topic-config cleanup.policy=compact", exitDone, []string{"users created", "orders created"}},
		{"topics create users", exitSome, []string{"cannot create users: TOPIC_ALREADY_EXISTS"}},
		{"topics create users --if-not-exists", exitDone, []string{"users exists"}},
		{"topics describe users", exitDone, []string{"users: 2 partitions, id ", "cleanup.policy=compact", "PARTITION  LEADER", "ok"}},
		{"topics describe events none", exitSome, []string{"events: 3 partitions", "none: UNKNOWN_TOPIC_OR_PARTITION"}},
		{"__complete topics describe u", exitDone, []string{"users"}},
		{"__complete produce --topic o", exitDone, []string{"orders"}},
		{"__complete produce -X linger", exitDone, []string{"linger.ms"}},
	} {
		r := ekafRun(t, "", strings.Fields(step.args)...)
		for _, want := range step.want {
			if r.code != step.code || !strings.Contains(r.out+r.errOut, want) {
				t.Errorf("ekaf %s: exit code %d, want %d and %q in\n%s%s", step.args, r.code, step.code, want, r.out, r.errOut)
			}
		}
	}
	if c.Partitions("users") != 2 {
		t.Errorf("users has %d partitions", c.Partitions("users"))
	}
}

func TestTopicsWithoutBrokersSaysWhy(t *testing.T) {
	c := ekaftest.Start(t)
	c.Stop()
	r := ekafRun(t, "", "topics", "list", "--brokers", c.Addrs()[0], "--timeout", "200ms")
	if r.code != exitSome || !strings.Contains(r.errOut, "nothing listens on this port") {
		t.Errorf("exit code %d\n%s", r.code, r.errOut)
	}
}
