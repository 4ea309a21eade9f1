package signup_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
	signup "github.com/ekaf-go/ekaf/examples/testing"
)

// Over real TCP, on a free port of loopback.
func TestRegisterPublishes(t *testing.T) {
	kafka := ekaftest.Start(t, ekaftest.Topic("events", 3))
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close(context.Background())

	signups := signup.Signups{Producer: p}
	if err := signups.Register(t.Context(), "ada"); err != nil {
		t.Fatal(err)
	}
	seen, err := kafka.Consume("events")
	if err != nil || len(seen) != 1 {
		t.Fatal(seen, err)
	}
	if got, want := string(seen[0].Value), `{"event":"signup","user":"ada"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An outage in memory, where time costs nothing: the ten minutes pass at once.
func TestRegisterSurvivesAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kafka := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Dialer(kafka.Dialer()))
		if err != nil {
			t.Fatal(err)
		}
		kafka.Stop()
		back := time.AfterFunc(10*time.Minute, func() {
			if err := kafka.Restart(); err != nil {
				t.Error(err)
			}
		})
		defer back.Stop()

		signups := signup.Signups{Producer: p}
		if err := signups.Register(t.Context(), "ada"); err != nil {
			t.Error(err)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A caller that does not wait so long hears that its message was taken back.
func TestRegisterGivesUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kafka := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
		p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Dialer(kafka.Dialer()))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close(context.Background())
		kafka.Stop()

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		signups := signup.Signups{Producer: p}
		if err := signups.Register(ctx, "ada"); !errors.Is(err, ekaf.ErrWithdrawn) {
			t.Errorf("got %v", err)
		}
	})
}
