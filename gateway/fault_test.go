package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/gateway"
)

// claim is what was answered for one message.
type claim uint8

const (
	isThere    claim = iota // 2xx: it is there, once
	isNotThere              // refused, and not written
	mayBeThere              // refused, and perhaps written
)

// TestClaimsHoldWhileABrokerDies: 64 clients post to all routes while a broker is
// killed and comes back. What a consumer finds in the end is what they were told.
func TestClaimsHoldWhileABrokerDies(t *testing.T) {
	d := open(t, behind{
		cluster: []ekaftest.Option{ekaftest.Brokers(3), ekaftest.Topic("faults", 6)},
		gateway: []gateway.Option{gateway.SyncTimeout(100 * time.Millisecond)},
	})
	s := httptest.NewServer(d)
	defer s.Close()
	routes := []string{
		"/async/faults", "/sync/faults", "/batch/async/faults", "/batch/sync/faults", "/safe/async/faults", "/safe/sync/faults",
		"/safe/batch/async/faults", "/safe/batch/sync/faults", "/v1/topics/faults", "/v1/topics/faults?ack=kafka", "/v1/beacon/faults",
	}
	const clients, each = 64, 22
	var mu sync.Mutex
	claims := map[string]claim{}
	var wg sync.WaitGroup
	halfway := make(chan struct{}, clients)
	for c := range clients {
		wg.Go(func() {
			for i := range each {
				if i == each/3 {
					halfway <- struct{}{}
				}
				id := fmt.Sprintf("%d.%d", c, i)
				got := claimOf(t, s, routes[(c+i)%len(routes)], id)
				mu.Lock()
				claims[id] = got
				mu.Unlock()
			}
		})
	}
	for range clients / 2 {
		<-halfway
	}
	if err := d.cluster.StopBroker(0); err != nil {
		t.Fatal(err)
	}
	d.cluster.LoseAnswers(3)
	for range clients / 2 {
		<-halfway
	}
	if err := d.cluster.StartBroker(0); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	http.DefaultClient.CloseIdleConnections()
	if err := d.producer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	messages, err := d.cluster.Consume("faults")
	if err != nil {
		t.Fatal(err)
	}
	judge(t, claims, messages)
}

// claimOf posts a message, and reads what the answer claims.
func claimOf(t *testing.T, s *httptest.Server, path, id string) claim {
	answer, err := http.Post(s.URL+path, "text/plain", strings.NewReader(id))
	if err != nil {
		t.Error(err)
		return mayBeThere
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Error(err)
	}
	if answer.StatusCode/100 == 2 {
		return isThere
	}
	var e told
	if err := json.Unmarshal(body, &e); err != nil || answer.StatusCode != 503 {
		t.Errorf("%s answered %d %s", path, answer.StatusCode, body)
	}
	if e.MaybeWritten != nil && *e.MaybeWritten {
		return mayBeThere
	}
	return isNotThere
}

func judge(t *testing.T, claims map[string]claim, messages []ekaftest.Message) {
	count := map[string]int{}
	for _, m := range messages {
		count[string(m.Value)]++
	}
	told := [3]int{}
	for id, c := range claims {
		n := count[id]
		told[c]++
		if c == isThere && n != 1 || c == isNotThere && n != 0 || n > 1 {
			t.Errorf("%s is there %d times, claimed was %d", id, n, c)
		}
		delete(count, id)
	}
	if len(count) > 0 {
		t.Errorf("nobody sent %v", count)
	}
	t.Logf("%d there, %d not, %d perhaps", told[isThere], told[isNotThere], told[mayBeThere])
}
