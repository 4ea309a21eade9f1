package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

// door is a gateway with an embedded cluster behind it.
type door struct {
	t        *testing.T
	cluster  *ekaftest.Cluster
	producer *ekaf.Producer
	*gateway.Handler
}

// behind is what stands behind a door, and how it is set.
type behind struct {
	cluster  []ekaftest.Option
	producer []ekaf.Option
	gateway  []gateway.Option
}

func open(t *testing.T, b behind) *door {
	t.Helper()
	c := ekaftest.Start(t, append([]ekaftest.Option{ekaftest.InMemory(), ekaftest.Topic("events", 1), ekaftest.Topic("many", 4)}, b.cluster...)...)
	p, err := ekaf.New(append([]ekaf.Option{ekaf.Brokers(c.Addrs()...), ekaf.Dialer(c.Dialer())}, b.producer...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = p.Close(ctx) // some tests leave messages that cannot be delivered
	})
	h, err := gateway.New(p, b.gateway...)
	if err != nil {
		t.Fatal(err)
	}
	return &door{t: t, cluster: c, producer: p, Handler: h}
}

// request is one as a client writes it: "POST /async/events", its body, and
// headers by name and value in turn.
func request(line, body string, header ...string) *http.Request {
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return r
}

// ask serves a request.
func (d *door) ask(line, body string, header ...string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	d.ServeHTTP(w, request(line, body, header...))
	return w
}

// want checks an answer to the byte.
func (d *door) want(w *httptest.ResponseRecorder, status int, body string) {
	d.t.Helper()
	if w.Code != status || w.Body.String() != body {
		d.t.Errorf("answered %d %s, want %d %s", w.Code, w.Body, status, body)
	}
}

// consumed is what a consumer sees of a topic, once there are n messages.
func (d *door) consumed(topic string, n int) []ekaftest.Message {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 10*time.Second)
	defer cancel()
	messages, err := d.cluster.WaitFor(ctx, topic, n)
	if err != nil {
		d.t.Fatal(err)
	}
	return messages
}

// values are those of messages.
func values(messages []ekaftest.Message) []string {
	var list []string
	for _, m := range messages {
		list = append(list, string(m.Value))
	}
	return list
}
