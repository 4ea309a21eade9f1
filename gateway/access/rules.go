package access

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/ekaf-go/ekaf/gateway"
)

// Rule says what a principal may do.
type Rule struct {
	// Topics that may be produced to and asked about: names, or beginnings of names
	// followed by *. "*" alone is every topic.
	Topics []string
	// Rate is the number of requests a second, of each principal for itself, on
	// average. 0: no limit.
	Rate float64
	// Burst is how many requests may come at once after a pause. Default: as many
	// as Rate allows in a second, at least 1.
	Burst int
	// Overview opens what shows more than single topics: the list of topics, and
	// pages mounted beside the gateway, such as /metrics. Who may use every topic
	// has it anyway.
	Overview bool
}

// others is the rule of principals that have none of their own.
const others = "*"

// rules are the rules of all principals.
type rules struct {
	all bool // there are none
	by  map[string]*rule
}

type rule struct {
	exact    map[string]bool
	prefixes []string
	overview bool
	limit    rate.Limit
	burst    int
	own      *rate.Limiter // of its principal, or of the strangers that are too many

	mu       sync.Mutex // guards the following
	limiters map[string]*rate.Limiter
	swept    time.Time
}

// maxLimiters bounds the principals that have no rule of their own and a limit of
// their own. When there are more that are busy, the others share one.
const maxLimiters = 10_000

func newRules(given map[string]Rule) (*rules, error) {
	r := &rules{all: given == nil, by: map[string]*rule{}}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(given)) {
		made, its := newRule(given[name])
		if err := checkPrincipal(name); err != nil {
			its = []error{err}
		}
		for _, fault := range its {
			faults = append(faults, fmt.Errorf("principals: %s: %w", name, fault))
		}
		r.by[name] = made
	}
	return r, errors.Join(faults...)
}

func newRule(given Rule) (*rule, []error) {
	r := &rule{
		exact: map[string]bool{}, overview: given.Overview, limit: rate.Inf,
		burst: given.Burst, limiters: map[string]*rate.Limiter{},
	}
	var faults []error
	for _, t := range given.Topics {
		prefix, open := strings.CutSuffix(t, "*")
		switch {
		case t == "":
			faults = append(faults, errors.New("topics: a name is empty"))
		case strings.Contains(prefix, "*"):
			faults = append(faults, fmt.Errorf("topics: %q has a * that is not its last character", t))
		case open:
			r.prefixes = append(r.prefixes, prefix)
			r.overview = r.overview || prefix == ""
		default:
			r.exact[t] = true
		}
	}
	if given.Rate < 0 || math.IsNaN(given.Rate) || given.Burst < 0 {
		faults = append(faults, errors.New("neither rate nor burst is negative (rate 0: no limit)"))
	}
	if given.Rate > 0 {
		r.limit = rate.Limit(given.Rate)
		if r.burst == 0 {
			r.burst = int(min(max(1, math.Ceil(given.Rate)), math.MaxInt32))
		}
	}
	r.own = rate.NewLimiter(r.limit, r.burst)
	return r, faults
}

func (r *rules) named(principal string) bool { return r.by[principal] != nil }

// admit says whether a principal may go on. The rate comes first: requests that
// are refused count too.
func (r *rules) admit(principal, topic string) error {
	if r.all {
		return nil
	}
	its, limiter := r.by[principal], (*rate.Limiter)(nil)
	switch {
	case its != nil && principal != others:
		limiter = its.own
	case r.by[others] != nil && principal != Anonymous:
		its = r.by[others]
		limiter = its.limiterOf(principal)
	default:
		return &gateway.StatusError{Status: http.StatusForbidden, Message: "the principal may use nothing here"}
	}
	if err := take(limiter); err != nil {
		return err
	}
	if topic == "" && !its.overview {
		return &gateway.StatusError{Status: http.StatusForbidden, Message: "the principal may use single topics, and nothing that shows more"}
	}
	if topic != "" && !its.allows(topic) {
		return &gateway.StatusError{Status: http.StatusForbidden, Message: "the principal may not use this topic"}
	}
	return nil
}

func (r *rule) allows(topic string) bool {
	return r.exact[topic] || slices.ContainsFunc(r.prefixes, func(p string) bool { return strings.HasPrefix(topic, p) })
}

// take takes one request of a limit.
func take(limiter *rate.Limiter) error {
	now := time.Now()
	reserved := limiter.ReserveN(now, 1)
	wait := reserved.DelayFrom(now)
	if wait <= 0 {
		return nil
	}
	reserved.CancelAt(now)
	return &gateway.StatusError{Status: http.StatusTooManyRequests, Message: "the principal sends more requests than it may", RetryAfter: wait}
}

// limiterOf gives the limit of a principal that has no rule of its own.
func (r *rule) limiterOf(principal string) *rate.Limiter {
	if r.limit == rate.Inf {
		return r.own
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.limiters[principal]; l != nil {
		return l
	}
	if len(r.limiters) >= maxLimiters {
		r.sweep(time.Now())
	}
	if len(r.limiters) >= maxLimiters {
		return r.own
	}
	l := rate.NewLimiter(r.limit, r.burst)
	r.limiters[principal] = l
	return l
}

// sweep forgets those who have not used their limit of late: a new one would be
// the same. It looks at all of them, so not more often than once a second.
func (r *rule) sweep(now time.Time) {
	if now.Sub(r.swept) < time.Second {
		return
	}
	r.swept = now
	maps.DeleteFunc(r.limiters, func(_ string, l *rate.Limiter) bool { return l.TokensAt(now) >= float64(r.burst) })
}
