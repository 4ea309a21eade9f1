package access

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var farAway = time.Now().Add(24 * time.Hour)

func TestTopicsOfPrincipals(t *testing.T) {
	k := keeper(t, Config{
		Tokens: file(t, "shop:"+shopToken, "other:"+otherToken),
		Rules: map[string]Rule{
			"shop":    {Topics: []string{"events", "orders.*"}},
			"other":   {Topics: []string{"*"}},
			Anonymous: {Topics: []string{"clicks"}, Overview: true},
		},
	})
	shop, other := []string{"Authorization", "Bearer " + shopToken}, []string{"Authorization", "Bearer " + otherToken}
	for _, c := range []struct {
		topic  string
		header []string
		want   string
	}{
		{"events", shop, "200 shop"}, {"orders.new", shop, "200 shop"}, {"orders.", shop, "200 shop"},
		{"orders", shop, "403"}, {"events2", shop, "403"}, {"Events", shop, "403"}, {"", shop, "403"},
		{"anything", other, "200 other"}, {"", other, "200 other"},
		{"clicks", nil, "200 anonymous"}, {"events", nil, "403"}, {"", nil, "200 anonymous"},
	} {
		if got, _ := ask(k, c.topic, c.header...); got != c.want {
			t.Errorf("topic %q of %v: %s, want %s", c.topic, c.header, got, c.want)
		}
	}
	k = keeper(t, Config{Tokens: file(t, "shop:"+shopToken, "*:"+otherToken), Rules: map[string]Rule{"x": {Topics: []string{"*"}}}})
	if got, _ := ask(k, "events", shop...); got != "403" {
		t.Errorf("without a rule: %s", got)
	}
	if got, _ := ask(k, "events", other...); got != "403" {
		t.Errorf("a principal named like the rule of all others: %s", got)
	}
}

func TestRates(t *testing.T) {
	tokens := file(t, "shop:"+shopToken, "other:"+otherToken, "third:third-token-0123456789")
	synctest.Test(t, func(t *testing.T) {
		k := keeper(t, Config{Tokens: tokens, Rules: map[string]Rule{
			"shop": {Topics: []string{"events"}, Rate: 0.1, Burst: 2}, "*": {Topics: []string{"*"}, Rate: 3},
		}})
		want := func(token string, want ...string) {
			t.Helper()
			for _, want := range want {
				if got, _ := ask(k, "events", "Authorization", "Bearer "+token); got != want {
					t.Errorf("%s, want %s", got, want)
				}
			}
		}
		want(shopToken, "200 shop", "200 shop", "429", "429")
		_, f := ask(k, "events", "Authorization", "Bearer "+shopToken)
		if f == nil || f.RetryAfter != 10*time.Second {
			t.Errorf("answered %+v", f)
		}
		want(otherToken, "200 other", "200 other", "200 other", "429")
		want("third-token-0123456789", "200 third") // its own limit, of the same rule
		time.Sleep(10 * time.Second)
		want(shopToken, "200 shop", "429")
		want(otherToken, "200 other", "200 other", "200 other", "429")
	})
}

// TestStrangersAreBounded: principals without a rule come from tokens, and each
// has a limit to remember.
func TestStrangersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := newRules(map[string]Rule{"*": {Topics: []string{"*"}, Rate: 1}})
		if err != nil {
			t.Fatal(err)
		}
		for i := range maxLimiters + 1 {
			if err := r.admit(fmt.Sprint(i), "events"); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(r.by["*"].limiters); n != maxLimiters {
			t.Errorf("%d limits are remembered", n)
		}
		if err := r.admit("one more", "events"); err == nil {
			t.Error("those beyond the bound share no limit")
		}
		time.Sleep(2 * time.Second)
		if err := r.admit("another", "events"); err != nil || len(r.by["*"].limiters) != 1 {
			t.Errorf("%d limits are remembered after a pause (%v)", len(r.by["*"].limiters), err)
		}
	})
}
