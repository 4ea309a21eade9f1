package gateway

import (
	"slices"
	"strings"
)

// route is a row of the routing table: what is served, how errors look there,
// and what the OpenAPI document says of it.
type route struct {
	method string
	path   string // segments, of which {name} stands for any one
	serve  func(*exchange)
	// refuse writes an error in the route's dialect; nil: ours.
	refuse func(*exchange, *StatusError)
	// wrongMethod answers a method that the path does not serve; nil: 405.
	wrongMethod func(*exchange)
	topicParam  int  // which parameter is the topic, where the path names one
	guarded     bool // the guard is asked
	safe        bool // under admission control
	cors        bool // browsers of allowed origins may use it, and see the answers
	simple      bool // pages could have it produce without asking first (CORS's simple requests)
	keyed       bool // Idempotency-Key is honoured
	noHead      bool // a GET that produces: HEAD is not answered by it
	doc         doc
}

// maxParams is the most {name} segments of a path.
const maxParams = 3

// isPattern reports whether a path begins with / and has at most as many {name}
// segments as there is room for, each of them a segment as a whole.
func isPattern(path string) bool {
	names := 0
	for segment := range strings.SplitSeq(path, "/") {
		name, rest, found := strings.Cut(strings.TrimPrefix(segment, "{"), "}")
		if !strings.ContainsAny(segment, "{}") {
			continue
		}
		if names++; !found || name == "" || rest != "" || segment[0] != '{' || strings.Contains(name, "{") {
			return false
		}
	}
	return strings.HasPrefix(path, "/") && names <= maxParams
}

// node is a segment of the paths served.
type node struct {
	literal map[string]*node
	any     *node
	routes  []*route // those that end here, one for each method
	allow   string   // their methods, as the header Allow wants them
	tally   tally
}

// router finds the routes of a path. Its own because the table also makes the
// OpenAPI document and the methods' answers, and a match must not allocate.
type router struct{ root node }

func newRouter(table []*route) *router {
	rt := &router{}
	for _, r := range table {
		n := &rt.root
		for segment := range strings.SplitSeq(strings.TrimPrefix(r.path, "/"), "/") {
			n = n.child(segment)
		}
		n.routes = append(n.routes, r)
		n.allow = allowed(n.routes)
		n.tally.pattern = r.path
	}
	return rt
}

func (n *node) child(segment string) *node {
	if strings.HasPrefix(segment, "{") {
		if n.any == nil {
			n.any = &node{}
		}
		return n.any
	}
	next := n.literal[segment]
	if next == nil {
		if n.literal == nil {
			n.literal = map[string]*node{}
		}
		next = &node{}
		n.literal[segment] = next
	}
	return next
}

// allowed lists methods; who serves GET serves HEAD, and all answer OPTIONS.
func allowed(routes []*route) string {
	methods := []string{"OPTIONS"}
	for _, r := range routes {
		methods = append(methods, r.method)
		if r.method == "GET" && !r.noHead {
			methods = append(methods, "HEAD")
		}
	}
	slices.Sort(methods)
	return strings.Join(slices.Compact(methods), ", ")
}

// find walks a path. Parameters are written to params, in the path's order. A
// literal segment wins over one that stands for any, with no way back: no path
// of the table needs one.
func (rt *router) find(path string, params *[maxParams]string) *node {
	n, rest, count := &rt.root, strings.TrimPrefix(path, "/"), 0
	for more := true; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if next := n.literal[segment]; next != nil {
			n = next
			continue
		}
		if n = n.any; n == nil || segment == "" || count == maxParams {
			return nil
		}
		params[count] = segment
		count++
	}
	if len(n.routes) == 0 {
		return nil
	}
	return n
}

// serving is the route of a method, nil if there is none.
func (n *node) serving(method string) *route {
	head := method == "HEAD"
	for _, r := range n.routes {
		if r.method == method || head && r.method == "GET" && !r.noHead {
			return r
		}
	}
	return nil
}
