package ekaf_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestSyncInsideAndOutsideABubble: a program's tests share the pool of calls. A
// channel that a call outside had made could not be waited for durably inside a
// synctest bubble, whose time then ran on for ever; and one made inside panics
// outside.
func TestSyncInsideAndOutsideABubble(t *testing.T) {
	outside := func() {
		c := ekaftest.Start(t, ekaftest.Topic("events", 1))
		p := newProducer(t, c)
		for range 100 {
			if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x")); err != nil {
				t.Fatal(err)
			}
		}
	}
	outside()
	synctest.Test(t, func(t *testing.T) {
		c, p := inMemory(t, 1, []ekaftest.Option{ekaftest.Topic("events", 1)})
		c.Stop()
		time.AfterFunc(10*time.Minute, func() {
			if err := c.Restart(); err != nil {
				t.Error(err)
			}
		})
		if _, err := p.ProduceSync(t.Context(), "events", ekaf.Value("x")); err != nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
	outside()
}

func opts(o ...ekaf.Option) []ekaf.Option { return o }
