package docs

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/gatewayprom"
)

// GatewayRoutes is the table of the gateway's routes. Those under /safe/ are
// told in the text.
func GatewayRoutes() string {
	var rows [][]string
	for _, r := range gateway.RouteTable() {
		if strings.HasPrefix(r.Path, "/safe/") {
			continue
		}
		var answers []string
		for _, a := range r.Answers {
			answers = append(answers, fmt.Sprintf("%d %s", a.Status, shape(a.About)))
		}
		rows = append(rows, []string{code(r.Method + " " + r.Path), r.Summary, orDash(r.Body), strings.Join(answers, "<br>")})
	}
	return table("route|what it does|body|answers", rows)
}

// shape sets the JSON with which a text begins, or to which it comes, as code.
func shape(text string) string {
	begin, end := strings.IndexAny(text, "{["), strings.LastIndexAny(text, "}]")
	if begin < 0 || end < begin {
		return text
	}
	return text[:begin] + code(text[begin:end+1]) + text[end+1:]
}

// GatewayStatuses is the table of what the producer's errors are answered with.
func GatewayStatuses() string {
	names := map[error]string{
		ekaf.ErrInvalidTopic: "ErrInvalidTopic", ekaf.ErrNotPermitted: "ErrNotPermitted", ekaf.ErrUnknownTopic: "ErrUnknownTopic",
		ekaf.ErrUnknownPartition: "ErrUnknownPartition", ekaf.ErrTooLarge: "ErrTooLarge", ekaf.ErrHeadersUnsupported: "ErrHeadersUnsupported",
		ekaf.ErrUndecidable: "ErrUndecidable", ekaf.ErrFull: "ErrFull", ekaf.ErrDropped: "ErrDropped", ekaf.ErrClosed: "ErrClosed",
		ekaf.ErrTimeout: "ErrTimeout", ekaf.ErrWithdrawn: "ErrWithdrawn", ekaf.ErrTryAgain: "ErrTryAgain",
	}
	var rows [][]string
	for _, s := range gateway.StatusTable() {
		retry := ""
		if s.RetryAfter > 0 {
			retry = s.RetryAfter.String()
		}
		rows = append(rows, []string{fmt.Sprintf("%d %s", s.Status, http.StatusText(s.Status)), orDash(retry), s.When, orDash(code(names[s.Err]))})
	}
	return table("status|Retry-After|when|error", rows)
}

// GatewayMetrics is the table of what a gateway shows to Prometheus.
func GatewayMetrics() string {
	var rows [][]string
	for _, m := range gatewayprom.Table() {
		var labels []string
		for _, l := range m.Labels {
			labels = append(labels, code(l))
		}
		rows = append(rows, []string{code(m.Name), m.Kind.String(), strings.Join(labels, ", "), m.Help})
	}
	return table("Prometheus|kind|labels|what it says", rows)
}
