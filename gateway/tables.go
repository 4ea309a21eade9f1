package gateway

import (
	"net/http"
	"slices"
	"time"
)

// RouteInfo describes a route, for documents.
type RouteInfo struct {
	Method, Path string
	Group        string // of routes that belong together
	Summary      string
	Body         string // what the body may be; "": there is none
	Answers      []AnswerInfo
}

// AnswerInfo is what a route answers beside the statuses that all share.
type AnswerInfo struct {
	Status int
	About  string
}

// RouteTable lists the routes. It is the source of /openapi.json too.
func RouteTable() []RouteInfo {
	var list []RouteInfo
	for _, r := range routes(nil) {
		info := RouteInfo{Method: r.method, Path: r.path, Group: r.doc.tag, Summary: r.doc.summary, Body: r.doc.body}
		for status, about := range r.doc.answers {
			info.Answers = append(info.Answers, AnswerInfo{status, about})
		}
		slices.SortFunc(info.Answers, func(a, b AnswerInfo) int { return a.Status - b.Status })
		list = append(list, info)
	}
	return list
}

// StatusInfo is what an error of the producer is answered with.
type StatusInfo struct {
	Err        error
	Status     int
	RetryAfter time.Duration // 0: the client is not told to try again
	When       string
}

// StatusTable lists the errors of the producer in the order in which they are
// looked for, and what each is answered with.
func StatusTable() []StatusInfo {
	var list []StatusInfo
	for _, m := range meanings {
		list = append(list, StatusInfo{m.err, m.status, m.retry, m.when})
	}
	return append(list,
		StatusInfo{nil, http.StatusUnprocessableEntity, 0, "Kafka refuses the record itself (INVALID_RECORD, INVALID_TIMESTAMP, POLICY_VIOLATION)"},
		StatusInfo{nil, http.StatusBadGateway, 0, "Kafka refuses it for another reason, and would again"},
		StatusInfo{nil, http.StatusServiceUnavailable, retryAfter, "anything else: no answer from Kafka"},
	)
}
