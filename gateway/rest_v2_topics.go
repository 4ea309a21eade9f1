package gateway

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/ekaf-go/ekaf"
)

func restV2TopicRoutes() []*route {
	get := func(path, summary, answer string, serve func(*exchange)) *route {
		r := &route{
			method: http.MethodGet, path: path, guarded: true, refuse: (*exchange).refuseV2, serve: serve,
			doc: doc{tag: "REST Proxy v2", summary: summary, answers: map[int]string{200: answer, 503: "no broker can be asked"}},
		}
		if path != "/topics" {
			r.doc.answers[404] = "the topic (40401) or the partition (40402) does not exist"
		}
		return r
	}
	const partition = `{"partition":P,"leader":B,"replicas":[{"broker":B,"leader":true,"in_sync":true},...]}`
	return []*route{
		get("/topics", "The names of the cluster's topics", `["T",...]`, (*exchange).serveV2Topics),
		get("/topics/{topic}", "A topic's partitions", `{"name":T,"configs":{},"partitions":[`+partition+`,...]}; no configurations are asked for`, (*exchange).serveV2Topic),
		get("/topics/{topic}/partitions", "A topic's partitions", `[`+partition+`,...]`, (*exchange).serveV2Partitions),
		get("/topics/{topic}/partitions/{partition}", "One partition", partition, (*exchange).serveV2OnePartition),
	}
}

// sendJSON answers with a value.
func (x *exchange) sendJSON(status int, value any, kind []string) {
	text, err := json.Marshal(value)
	if err != nil { // plain structs of texts and numbers always can be
		panic(err)
	}
	x.out = append(x.out[:0], text...)
	x.send(status, kind)
}

type v2Topic struct {
	Name       string            `json:"name"`
	Configs    map[string]string `json:"configs"`
	Partitions []v2Partition     `json:"partitions"`
}

type v2Partition struct {
	Partition int32       `json:"partition"`
	Leader    int32       `json:"leader"`
	Replicas  []v2Replica `json:"replicas"`
}

type v2Replica struct {
	Broker int32 `json:"broker"`
	Leader bool  `json:"leader"`
	InSync bool  `json:"in_sync"`
}

func v2Partitions(t *ekaf.TopicMetadata) []v2Partition {
	list := make([]v2Partition, 0, len(t.Partitions))
	for _, p := range t.Partitions {
		replicas := make([]v2Replica, 0, len(p.Replicas))
		for _, id := range p.Replicas {
			replicas = append(replicas, v2Replica{id, id == p.Leader, slices.Contains(p.InSync, id)})
		}
		list = append(list, v2Partition{p.Partition, p.Leader, replicas})
	}
	return list
}

func (x *exchange) serveV2Topics() {
	m, f := x.describe()
	if f != nil {
		x.refuse(f)
		return
	}
	names := []string{}
	for _, t := range m.Topics {
		if !t.Internal && t.Err == nil {
			names = append(names, t.Topic)
		}
	}
	x.sendJSON(http.StatusOK, names, v2Type)
}

func (x *exchange) serveV2Topic() {
	if t, _ := x.restTopic(x.params[0]); t != nil {
		x.sendJSON(http.StatusOK, v2Topic{t.Topic, map[string]string{}, v2Partitions(t)}, v2Type)
	}
}

func (x *exchange) serveV2Partitions() {
	if t, _ := x.restTopic(x.params[0]); t != nil {
		x.sendJSON(http.StatusOK, v2Partitions(t), v2Type)
	}
}

func (x *exchange) serveV2OnePartition() {
	id, f := partitionOfPath(x.params[1])
	if f != nil {
		x.refuse(f)
		return
	}
	t, _ := x.restTopic(x.params[0])
	if t == nil {
		return
	}
	for _, p := range v2Partitions(t) {
		if p.Partition == id {
			x.sendJSON(http.StatusOK, p, v2Type)
			return
		}
	}
	x.refuse(errNoPartition)
}

// restTopic asks for a topic. nil: the request was refused.
func (x *exchange) restTopic(name string) (*ekaf.TopicMetadata, *ekaf.ClusterMetadata) {
	m, t, f := x.describeTopic(name)
	if f != nil {
		x.refuse(f)
		return nil, nil
	}
	return t, m
}
