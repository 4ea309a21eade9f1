package gateway

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/ekaf-go/ekaf"
)

// metadataTimeout bounds the wait for the brokers' answer.
const metadataTimeout = 10 * time.Second

func metadataRoutes() []*route {
	return []*route{
		{
			method: http.MethodGet, path: "/v1/topics", guarded: true, cors: true, serve: (*exchange).serveTopics,
			doc: doc{tag: "metadata", summary: "The cluster's topics", answers: map[int]string{
				200: `{"cluster":ID,"topics":[{"topic":T,"partitions":N},...]}`, 503: "no broker can be asked",
			}},
		},
		{
			method: http.MethodGet, path: "/v1/topics/{topic}", guarded: true, cors: true, serve: (*exchange).serveTopic,
			doc: doc{tag: "metadata", summary: "A topic's partitions", answers: map[int]string{
				200: `{"topic":T,"id":ID,"partitions":[{"partition":P,"leader":B,"replicas":[B,...],"in_sync":[B,...]},...]}`,
				404: "the topic does not exist", 422: "the topic's name is not one that Kafka allows", 503: "no broker can be asked",
			}},
		},
	}
}

// describe asks the brokers. The error is one for the client.
func (x *exchange) describe(topics ...string) (ekaf.ClusterMetadata, *StatusError) {
	timeout := min(metadataTimeout, x.h.settings.syncTimeout)
	ctx, stop := withTimeout(x.r.Context(), timeout, errDeadline{timeout})
	defer stop()
	m, err := x.h.producer.Describe(ctx, topics...)
	if err == nil {
		return m, nil
	}
	if late, ok := errors.AsType[errDeadline](context.Cause(ctx)); ok { // and not that a context has ended
		err = late
	}
	f := statusOf(err)
	f.failed = false // nothing was to be written
	if f.Status == http.StatusInternalServerError {
		f.Status, f.RetryAfter = http.StatusServiceUnavailable, retryAfter
	}
	return m, f
}

func (x *exchange) serveTopics() {
	m, f := x.describe()
	if f != nil {
		x.refuse(f)
		return
	}
	out := append(x.out[:0], `{"cluster":`...)
	out = appendText(out, m.ClusterID)
	out = append(out, `,"topics":[`...)
	comma := false
	for _, t := range m.Topics {
		if t.Internal || t.Err != nil {
			continue
		}
		if comma {
			out = append(out, ',')
		}
		comma = true
		out = append(out, `{"topic":`...)
		out = appendText(out, t.Topic)
		out = append(out, `,"partitions":`...)
		out = strconv.AppendInt(out, int64(len(t.Partitions)), 10)
		out = append(out, '}')
	}
	x.out = append(out, "]}"...)
	x.send(http.StatusOK, jsonType)
}

// describeTopic asks the brokers for one topic.
func (x *exchange) describeTopic(name string) (*ekaf.ClusterMetadata, *ekaf.TopicMetadata, *StatusError) {
	m, f := x.describe(name)
	if f == nil && len(m.Topics) != 1 {
		f = refusal(http.StatusBadGateway, "the broker did not answer for the topic")
	}
	if f == nil && m.Topics[0].Err != nil {
		f = statusOf(m.Topics[0].Err)
		f.failed = false
	}
	if f != nil {
		return nil, nil, f
	}
	return &m, &m.Topics[0], nil
}

func (x *exchange) serveTopic() {
	_, t, f := x.describeTopic(x.params[0])
	if f != nil {
		x.refuse(f)
		return
	}
	out := append(x.out[:0], `{"topic":`...)
	out = appendText(out, t.Topic)
	if t.ID != [16]byte{} {
		out = append(out, `,"id":"`...)
		out = hex.AppendEncode(out, t.ID[:])
		out = append(out, '"')
	}
	out = append(out, `,"partitions":[`...)
	for i, p := range t.Partitions {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"partition":`...)
		out = strconv.AppendInt(out, int64(p.Partition), 10)
		out = append(out, `,"leader":`...)
		out = strconv.AppendInt(out, int64(p.Leader), 10)
		out = appendNodes(append(out, `,"replicas":`...), p.Replicas)
		out = appendNodes(append(out, `,"in_sync":`...), p.InSync)
		out = append(out, '}')
	}
	x.out = append(out, "]}"...)
	x.send(http.StatusOK, jsonType)
}

func appendNodes(out []byte, ids []int32) []byte {
	out = append(out, '[')
	for i, id := range ids {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	return append(out, ']')
}
