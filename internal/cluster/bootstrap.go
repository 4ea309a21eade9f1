package cluster

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/internal/conn"
)

const (
	// raceAfter is how long one address may keep silent before the next one is tried beside it.
	raceAfter = time.Second

	// preferKnown is how many brokers of the snapshot are tried before the first seed (KIP-899). In a
	// large cluster which moved as a whole, trying all of them first would take minutes.
	preferKnown = 3

	// errorsKept is how many of the failures of one bootstrap its error spells out.
	errorsKept = 4
)

// candidate is an address a control connection may be made to.
type candidate struct {
	addr   string
	seed   bool
	broker int32
}

// seedAddr completes a seed that names no port, and puts brackets round an IPv6 address that lacks them.
func seedAddr(seed string) string {
	seed = strings.TrimSpace(seed)
	if _, port, err := net.SplitHostPort(seed); err == nil && port != "" {
		return seed
	}
	host := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(seed, ":"), "["), "]")
	if strings.HasSuffix(seed, "::") {
		host = seed // an address such as 2001:db8::, whose colon is not that of a port
	}
	return net.JoinHostPort(host, "9092")
}

// candidates lists the addresses to try, in order: some known brokers, the seeds, the other known brokers,
// each group shuffled so that not all clients fall upon one broker; those given in avoid last, as they
// have just failed. After REBOOTSTRAP_REQUIRED (KIP-1102) what is known is not to be used at all.
func candidates(snap *Snapshot, seeds []string, seedsOnly bool, avoid map[string]bool) []candidate {
	var known, fromSeeds []candidate
	seen, isSeed := make(map[string]bool), make(map[string]bool)
	for _, seed := range seeds {
		isSeed[seedAddr(seed)] = true
	}
	if !seedsOnly {
		for _, b := range snap.Brokers {
			if addr := b.Addr(); !seen[addr] {
				seen[addr] = true
				known = append(known, candidate{addr: addr, seed: isSeed[addr], broker: b.ID})
			}
		}
	}
	rand.Shuffle(len(known), func(i, j int) { known[i], known[j] = known[j], known[i] })
	fresh := func(c candidate) int {
		if avoid[c.addr] {
			return 1
		}
		return 0
	}
	byFresh := func(a, b candidate) int { return fresh(a) - fresh(b) }
	slices.SortStableFunc(known, byFresh)
	for addr := range isSeed {
		if !seen[addr] {
			fromSeeds = append(fromSeeds, candidate{addr: addr, seed: true, broker: -1})
		}
	}
	rand.Shuffle(len(fromSeeds), func(i, j int) { fromSeeds[i], fromSeeds[j] = fromSeeds[j], fromSeeds[i] })
	all := slices.Concat(known[:min(preferKnown, len(known))], fromSeeds, known[min(preferKnown, len(known)):])
	slices.SortStableFunc(all, byFresh)
	return all
}

// dialed is the outcome of one candidate.
type dialed struct {
	candidate
	conn *conn.Conn
	err  error
}

// dialAny connects to the first candidate that answers. A failure starts the next one at once; silence
// does so after raceAfter, so that no dead address, whose timeout is ten seconds, is waited for alone.
func (c *Cluster) dialAny(ctx context.Context, list []candidate) (*link, error) {
	if len(list) == 0 {
		return nil, errors.New("cannot reach the cluster: no bootstrap broker is configured")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan dialed, len(list)) // room for all: a late one never waits for a reader
	silence := time.NewTimer(raceAfter)
	defer silence.Stop()
	var failed failures
	for started, running := 0, 0; ; {
		switch {
		case running == 0 && ctx.Err() != nil:
			return nil, ErrClosed
		case running == 0 && started == len(list):
			return nil, failed
		}
		if running == 0 {
			c.dialCandidate(ctx, list[started], results)
			started, running = started+1, running+1
			silence.Reset(raceAfter)
		}
		select {
		case r := <-results:
			running--
			if r.err == nil {
				c.closeLate(results, running)
				return &link{conn: r.conn, addr: r.addr, seed: r.seed, broker: r.broker}, nil
			}
			failed = append(failed, c.explain(r))
			silence.Reset(0)
		case <-silence.C:
			if started < len(list) && ctx.Err() == nil {
				c.dialCandidate(ctx, list[started], results)
				started, running = started+1, running+1
				silence.Reset(raceAfter)
			}
		}
	}
}

func (c *Cluster) dialCandidate(ctx context.Context, to candidate, results chan<- dialed) {
	c.wg.Go(func() {
		nc, err := c.dial(ctx, to.addr)
		results <- dialed{candidate: to, conn: nc, err: err}
	})
}

// closeLate closes what still connects after another candidate has won; their context is cancelled.
func (c *Cluster) closeLate(results <-chan dialed, running int) {
	if running == 0 {
		return
	}
	c.wg.Go(func() {
		for range running {
			if r := <-results; r.err == nil {
				_ = r.conn.Close()
			}
		}
	})
}

// explain says where the address came from.
func (c *Cluster) explain(r dialed) error {
	if r.seed {
		return r.err // it names the address, which the user has configured
	}
	return c.Snapshot().DialError(r.broker, r.err)
}

// failures are the reasons why no candidate would do.
type failures []error

func (f failures) Error() string {
	words := make([]string, 0, errorsKept)
	for _, err := range f[:min(errorsKept, len(f))] {
		words = append(words, err.Error())
	}
	text := "cannot reach any broker: " + strings.Join(words, "; ")
	if more := len(f) - errorsKept; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// Unwrap lets errors.Is and errors.As find any of them.
func (f failures) Unwrap() []error { return f }
