package gateway

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/ekaf-go/ekaf"
)

// doc is what the OpenAPI document says of a route.
type doc struct {
	tag, summary string
	body         string // what the body is; "": there is none
	params       []param
	answers      map[int]string
}

// param is a parameter of the query or a header.
type param struct{ name, in, about string }

func (x *exchange) serveOpenAPI() {
	x.out = append(x.out[:0], x.h.openapi...)
	x.send(http.StatusOK, jsonType)
}

type object = map[string]any

// credentials are those that a guard may ask for; which of them it takes is its own.
var credentials = object{
	"bearer":      object{"type": "http", "scheme": "bearer"},
	"basic":       object{"type": "http", "scheme": "basic"},
	"certificate": object{"type": "mutualTLS"},
}

// describe makes the OpenAPI 3.1 document of the routing table.
func describe(table []*route, guarded bool) []byte {
	components := object{"schemas": object{"Error": object{
		"type": "object", "required": []string{"error"},
		"properties": object{
			"error":         object{"type": "string"},
			"maybe_written": object{"type": "boolean", "description": "Kafka may hold the message all the same"},
		},
	}}}
	if guarded {
		components["securitySchemes"] = credentials
	}
	paths := object{}
	for _, r := range table {
		path, _ := paths[r.path].(object)
		if path == nil {
			path = object{}
			paths[r.path] = path
		}
		op := operation(r)
		if guarded && r.guarded {
			op["security"] = []object{{"bearer": []string{}}, {"basic": []string{}}, {"certificate": []string{}}}
		}
		path[strings.ToLower(r.method)] = op
	}
	text, err := json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "ekaf gateway", "version": ekaf.Version,
			"description": "Publishes events to Apache Kafka over HTTP. No status of the 2xx class is answered unless what it claims has happened.",
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers":    []object{{"url": "/"}},
		"paths":      paths,
		"components": components,
	}, "", "  ")
	if err != nil { // maps of texts always can be written
		panic(err)
	}
	return append(text, '\n')
}

func operation(r *route) object {
	op := object{
		"summary": r.doc.summary, "operationId": operationID(r),
		"tags": []string{r.doc.tag}, "responses": responses(r),
	}
	if params := parameters(r); len(params) > 0 {
		op["parameters"] = params
	}
	if r.doc.body != "" {
		op["requestBody"] = object{
			"description": r.doc.body,
			"content":     object{"*/*": object{"schema": object{}}},
		}
	}
	return op
}

// operationID is the method and the path's words.
func operationID(r *route) string {
	words := strings.FieldsFunc(r.path, func(c rune) bool { return strings.ContainsRune("/{}:._-", c) })
	return strings.ToLower(r.method) + "_" + strings.Join(words, "_")
}

func parameters(r *route) []object {
	text := object{"type": "string"}
	var params []object
	for segment := range strings.SplitSeq(r.path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			params = append(params, object{"name": strings.TrimSuffix(name, "}"), "in": "path", "required": true, "schema": text})
		}
	}
	for _, p := range r.doc.params {
		params = append(params, object{"name": p.name, "in": p.in, "description": p.about, "schema": text})
	}
	if r.keyed {
		params = append(params, object{
			"name": "Idempotency-Key", "in": "header", "schema": text,
			"description": "A repeated request is answered as the first was, and produced once",
		})
	}
	return params
}

// responses are the route's own, and what any route that produces may answer.
func responses(r *route) object {
	all := object{}
	for status, about := range r.doc.answers {
		all[strconv.Itoa(status)] = answer(status, about)
	}
	add := func(status int, about string) {
		if all[strconv.Itoa(status)] == nil {
			all[strconv.Itoa(status)] = answer(status, about)
		}
	}
	if r.guarded {
		add(http.StatusUnauthorized, "who is asking is not known")
		add(http.StatusForbidden, "not permitted")
		add(http.StatusTooManyRequests, "over the rate limit")
	}
	if r.doc.body != "" {
		for _, m := range meanings {
			add(m.status, m.when)
		}
		add(http.StatusBadRequest, "the body ended too early")
		add(http.StatusRequestTimeout, "the body did not arrive in time")
		add(http.StatusUnsupportedMediaType, "the content type or encoding is not taken")
		add(http.StatusUnprocessableEntity, "malformed; the message says where")
		add(http.StatusBadGateway, "Kafka refuses it for another reason")
	}
	return all
}

func answer(status int, about string) object {
	a := object{"description": about}
	if status >= http.StatusBadRequest {
		a["content"] = object{"application/json": object{"schema": object{"$ref": "#/components/schemas/Error"}}}
	}
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		a["headers"] = object{"Retry-After": object{"description": "seconds", "schema": object{"type": "integer"}}}
	}
	return a
}

// routes is the routing table. What is mounted comes last: a path of ours stays ours.
func routes(mounts []*route) []*route {
	table := slices.Concat(kafboyRoutes(), rawRoutes(), metadataRoutes(), beaconRoutes(), restRoutes(), probeRoutes(), mounts)
	for _, r := range table {
		n := 0
		for segment := range strings.SplitSeq(r.path, "/") {
			if segment == "{topic}" {
				r.topicParam = n
			}
			if strings.HasPrefix(segment, "{") {
				n++
			}
		}
	}
	return table
}

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
