package sender

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// Against a broker that enforces connections.max.reauth.ms nothing is lost and
// nothing sent twice, whether the sender is busy or idle as the session ends.
func TestSessionsOfAClusterEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("t", 1),
			ekaftest.SASL("PLAIN", "ann", "secret"), ekaftest.SASLSessionLifetime(3*time.Second))
		sc := newScene(t, func(sc *scene) {
			sc.cfg.Conn.Dial, sc.cfg.Conn.SASL = cluster.Dialer(), plainLogin
			sc.address = cluster.Addrs()[0]
			sc.node = 0
		})
		l := sc.lanes(1, sc.topic("t", nil))[0]
		for i := range 200 {
			sc.put(l, true, fmt.Sprintf("busy %d", i))
			time.Sleep(50 * time.Millisecond)
		}
		sc.acked(200)
		if accepted, _ := cluster.Connections(0); accepted != 1 {
			t.Errorf("%d connections were made while busy, want 1", accepted)
		}
		for i := range 5 {
			time.Sleep(time.Duration(i) * 2 * time.Second)
			sc.put(l, true, fmt.Sprintf("idle %d", i))
			time.Sleep(time.Second)
			sc.acked(201 + i)
		}
		for i, r := range sc.results {
			if r.BaseOffset != int64(i) {
				t.Fatalf("message %d is at offset %d", i, r.BaseOffset)
			}
		}
	})
}
