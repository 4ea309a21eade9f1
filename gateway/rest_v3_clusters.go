package gateway

import (
	"net/http"
	"strconv"

	"github.com/ekaf-go/ekaf"
)

// v3Type is that of the REST Proxy's v3 answers.
var v3Type = []string{"application/json"}

func (x *exchange) refuseV3(f *StatusError) { x.refuseRest(f, v3Type) }

func restV3ClusterRoutes() []*route {
	get := func(path, summary, answer string, serve func(*exchange)) *route {
		r := &route{
			method: http.MethodGet, path: path, guarded: true, refuse: (*exchange).refuseV3, serve: serve,
			doc: doc{tag: "REST Proxy v3", summary: summary, answers: map[int]string{200: answer, 503: "no broker can be asked"}},
		}
		if path != "/v3/clusters" {
			r.doc.answers[404] = "the gateway's cluster has another id, or the topic does not exist"
		}
		return r
	}
	return []*route{
		get("/v3/clusters", "The cluster, as a list of one", `{"kind":"KafkaClusterList","metadata":{...},"data":[{"kind":"KafkaCluster","cluster_id":ID,...}]}`, (*exchange).serveV3Clusters),
		get("/v3/clusters/{cluster}", "The cluster", `{"kind":"KafkaCluster","metadata":{...},"cluster_id":ID,"controller":{...},...}`, (*exchange).serveV3Cluster),
		get("/v3/clusters/{cluster}/topics", "The cluster's topics", `{"kind":"KafkaTopicList","metadata":{...},"data":[{"kind":"KafkaTopic","topic_name":T,"partitions_count":N,...},...]}`, (*exchange).serveV3Topics),
		get("/v3/clusters/{cluster}/topics/{topic}", "A topic", `{"kind":"KafkaTopic","metadata":{...},"cluster_id":ID,"topic_name":T,"partitions_count":N,...}`, (*exchange).serveV3Topic),
	}
}

// v3Metadata says where a resource is found, and its Confluent Resource Name.
type v3Metadata struct {
	Self         string `json:"self"`
	ResourceName string `json:"resource_name"`
}

// v3Related is a link to other resources, of which not all are served here.
type v3Related struct {
	Related string `json:"related"`
}

// v3List is a collection in one page: there is no next one.
type v3List[T any] struct {
	Kind     string `json:"kind"`
	Metadata struct {
		Self string  `json:"self"`
		Next *string `json:"next"`
	} `json:"metadata"`
	Data []T `json:"data"`
}

func newV3List[T any](kind, self string, data []T) v3List[T] {
	list := v3List[T]{Kind: kind, Data: data}
	list.Metadata.Self = self
	return list
}

type v3Cluster struct {
	Kind                   string     `json:"kind"`
	Metadata               v3Metadata `json:"metadata"`
	ClusterID              string     `json:"cluster_id"`
	Controller             *v3Related `json:"controller"`
	Acls                   v3Related  `json:"acls"`
	Brokers                v3Related  `json:"brokers"`
	BrokerConfigs          v3Related  `json:"broker_configs"`
	ConsumerGroups         v3Related  `json:"consumer_groups"`
	Topics                 v3Related  `json:"topics"`
	PartitionReassignments v3Related  `json:"partition_reassignments"`
}

func (x *exchange) v3Cluster(m *ekaf.ClusterMetadata) v3Cluster {
	to := func(path ...string) v3Related {
		return v3Related{x.restURL(append([]string{"v3", "clusters", m.ClusterID}, path...)...)}
	}
	c := v3Cluster{
		Kind: "KafkaCluster", Metadata: v3Metadata{to().Related, "crn:///kafka=" + m.ClusterID}, ClusterID: m.ClusterID,
		Acls: to("acls"), Brokers: to("brokers"), BrokerConfigs: to("broker-configs"),
		ConsumerGroups: to("consumer-groups"), Topics: to("topics"),
		PartitionReassignments: to("topics", "-", "partitions", "-", "reassignment"),
	}
	if m.Controller >= 0 {
		controller := to("brokers", strconv.Itoa(int(m.Controller)))
		c.Controller = &controller
	}
	return c
}

type v3Topic struct {
	Kind                   string     `json:"kind"`
	Metadata               v3Metadata `json:"metadata"`
	ClusterID              string     `json:"cluster_id"`
	TopicName              string     `json:"topic_name"`
	IsInternal             bool       `json:"is_internal"`
	ReplicationFactor      int        `json:"replication_factor"`
	PartitionsCount        int        `json:"partitions_count"`
	Partitions             v3Related  `json:"partitions"`
	Configs                v3Related  `json:"configs"`
	PartitionReassignments v3Related  `json:"partition_reassignments"`
	AuthorizedOperations   []string   `json:"authorized_operations"` // asked for by nobody here: none
}

func (x *exchange) v3Topic(m *ekaf.ClusterMetadata, t *ekaf.TopicMetadata) v3Topic {
	to := func(path ...string) v3Related {
		return v3Related{x.restURL(append([]string{"v3", "clusters", m.ClusterID, "topics", t.Topic}, path...)...)}
	}
	replicas := 0
	if len(t.Partitions) > 0 {
		replicas = len(t.Partitions[0].Replicas)
	}
	return v3Topic{
		Kind: "KafkaTopic", Metadata: v3Metadata{to().Related, "crn:///kafka=" + m.ClusterID + "/topic=" + t.Topic},
		ClusterID: m.ClusterID, TopicName: t.Topic, IsInternal: t.Internal,
		ReplicationFactor: replicas, PartitionsCount: len(t.Partitions),
		Partitions: to("partitions"), Configs: to("configs"), PartitionReassignments: to("partitions", "-", "reassignment"),
		AuthorizedOperations: []string{},
	}
}

// ofCluster refuses a request that means another cluster, and reports whether it did not.
func (x *exchange) ofCluster(m *ekaf.ClusterMetadata) bool {
	if m.ClusterID == x.params[0] {
		return true
	}
	x.refuse(refusal(http.StatusNotFound, restNotFoundMessage))
	return false
}

// describeV3 asks for the cluster and its topics. nil: the request was refused.
func (x *exchange) describeV3() *ekaf.ClusterMetadata {
	m, f := x.describe()
	if f != nil {
		x.refuse(f)
		return nil
	}
	return &m
}

func (x *exchange) serveV3Clusters() {
	if m := x.describeV3(); m != nil {
		x.sendJSON(http.StatusOK, newV3List("KafkaClusterList", x.restURL("v3", "clusters"), []v3Cluster{x.v3Cluster(m)}), v3Type)
	}
}

func (x *exchange) serveV3Cluster() {
	if m := x.describeV3(); m != nil && x.ofCluster(m) {
		x.sendJSON(http.StatusOK, x.v3Cluster(m), v3Type)
	}
}

func (x *exchange) serveV3Topics() {
	m := x.describeV3()
	if m == nil || !x.ofCluster(m) {
		return
	}
	list := []v3Topic{}
	for i := range m.Topics {
		if t := &m.Topics[i]; !t.Internal && t.Err == nil {
			list = append(list, x.v3Topic(m, t))
		}
	}
	x.sendJSON(http.StatusOK, newV3List("KafkaTopicList", x.restURL("v3", "clusters", m.ClusterID, "topics"), list), v3Type)
}

func (x *exchange) serveV3Topic() {
	if t, m := x.restTopic(x.params[1]); t != nil && x.ofCluster(m) {
		x.sendJSON(http.StatusOK, x.v3Topic(m, t), v3Type)
	}
}
