package door

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/ekaf-go/ekaf/conformance/judge"
	"github.com/ekaf-go/ekaf/conformance/realkafka"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// each runs a test on an embedded broker, and on one of Apache Kafka where that is
// asked for. Both have the topic events, of three partitions.
func each(t *testing.T, run func(t *testing.T, b brokers)) {
	t.Run("embedded", func(t *testing.T) { run(t, embedded{ekaftest.Start(t, ekaftest.Topic("events", 3))}) })
	t.Run("Apache Kafka", func(t *testing.T) {
		c := realkafka.StartT(t, realkafka.Config{})
		if err := c.CreateTopic(t.Context(), "events", 3, 1, nil); err != nil {
			t.Fatal(err)
		}
		run(t, apache{c})
	})
}

// TestEveryRouteOnce: what each claims, and what a consumer counts.
func TestEveryRouteOnce(t *testing.T) {
	each(t, func(t *testing.T, b brokers) {
		g, l := serve(t, "-b", strings.Join(b.Addrs(), ",")), newLedger()
		client := &http.Client{Transport: &http.Transport{}}
		defer client.CloseIdleConnections()
		for _, path := range []string{
			"/healthz", "/readyz", "/metrics", "/openapi.json", "/v1/topics", "/v1/topics/events", "/topics", "/topics/events",
			"/topics/events/partitions", "/topics/events/partitions/2", "/v3/clusters", "/v3/clusters/" + clusterOf(t, client, g.url) + "/topics/events",
		} {
			if status := get(t, client, g.url+path); status != http.StatusOK {
				t.Errorf("GET %s is answered with %d", path, status)
			}
		}
		total := 0
		for i := range routes {
			r := &routes[i]
			var ids []string
			for n := range r.messages {
				ids = append(ids, fmt.Sprintf("%d-%d", i, n))
			}
			status, claims := r.post(client, g.url, "events", ids)
			if status/100 != 2 || slices.Contains(claims, unknown) || slices.Contains(claims, absent) {
				t.Errorf("%s is answered with %d, which claims %v", r.name, status, claims)
			}
			l.note(r.name, ids, claims)
			total += r.messages
		}
		if code := g.stop(); code != 0 {
			t.Errorf("ekaf serve ends with %d", code)
		}
		seen := consume(t, b, "events")
		if len(seen) != total {
			t.Errorf("a consumer sees %d messages of %d", len(seen), total)
		}
		l.verify(t, seen, true)
	})
}

func get(t *testing.T, client *http.Client, url string) int {
	t.Helper()
	answer, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	return answer.StatusCode
}

// TestAPublicClient: npm's kafka-rest produces through the gateway unchanged.
func TestAPublicClient(t *testing.T) {
	modules := os.Getenv("EKAF_NODE_MODULES")
	if modules == "" {
		t.Skip("needs Node and npm's kafka-rest: npm install --prefix DIR kafka-rest, and EKAF_NODE_MODULES=DIR/node_modules")
	}
	each(t, func(t *testing.T, b brokers) {
		g := serve(t, "-b", strings.Join(b.Addrs(), ","), "-X", "allow.auto.create.topics=false")
		node := exec.CommandContext(t.Context(), "node", "testdata/client.js", g.url)
		node.Env = append(os.Environ(), "NODE_PATH="+modules)
		var said strings.Builder
		node.Stderr = &said
		out, err := node.Output()
		if err != nil {
			t.Fatalf("%v\n%s%s", err, out, said.String())
		}
		want := []string{
			`["topics",["events"]]`, `["topic",["events",3]]`, `["partitions",[0,1,2]]`, `["a string",1]`, `["an array",2]`, `["keys",2]`,
			`["a partition",[[1,null]]]`, `["to a partition",[[2,null],[2,null]]]`,
			`["no such partition",{"failed":404,"message":"Partition not found."}]`, `["no such topic",{"failed":404,"message":"Topic not found."}]`,
		}
		if got := strings.Split(strings.TrimSpace(string(out)), "\n"); !slices.Equal(got, want) {
			t.Errorf("the client was told\n%s", out)
		}
		if code := g.stop(); code != 0 {
			t.Errorf("ekaf serve ends with %d", code)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var seen []string
		err = judge.ConsumeFunc(ctx, b.Addrs(), "events", func(r *kgo.Record) { seen = append(seen, fmt.Sprintf("%s=%q", r.Key, r.Value)) }, b.opts()...)
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(seen)
		arrived := []string{`="one"`, `="seven"`, `="six"`, `="three"`, `="two"`, `k2="\x00\xff"`, `k="five"`, `k="four"`}
		if !slices.Equal(seen, arrived) {
			t.Errorf("a consumer sees %v", seen)
		}
	})
}

// clusterOf is the cluster's id, as v3 names it.
func clusterOf(t *testing.T, client *http.Client, base string) string {
	t.Helper()
	answer, err := client.Get(base + "/v3/clusters")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list struct {
		Data []struct {
			ID string `json:"cluster_id"`
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil || len(list.Data) != 1 || list.Data[0].ID == "" {
		t.Fatalf("the clusters are %v (%v)", list, err)
	}
	return list.Data[0].ID
}
