package cluster

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/internal/conn"
)

// ErrClosed is the answer of every method that waits, once Close was called.
var ErrClosed = errors.New("the connection to the cluster is closed")

// ErrCannotAsk wraps the errors of questions that will not be answered however often they are asked: the
// broker is too old to know them, or the principal is not allowed to ask. Everything else is retriable.
var ErrCannotAsk = errors.New("the cluster does not answer this question")

// AdvertisedError says that a broker cannot be reached at the address it advertises.
type AdvertisedError struct {
	Broker Broker
	Source string // whose metadata named the address
	Err    error
}

func (e *AdvertisedError) Error() string {
	return fmt.Sprintf("broker %d advertises %s (so says the metadata of %s), which cannot be reached: check advertised.listeners: %v",
		e.Broker.ID, e.Broker.Addr(), e.Source, e.Err)
}

// Unwrap gives the error of the dialer.
func (e *AdvertisedError) Unwrap() error { return e.Err }

// unreachable tells errors of the way to an address from those of whoever answered there.
func unreachable(err error) bool {
	return errors.Is(err, conn.ErrUnknownHost) || errors.Is(err, conn.ErrRefused) || errors.Is(err, conn.ErrUnreachable)
}

// cannotAsk wraps err so that errors.Is finds both it and ErrCannotAsk.
func cannotAsk(question string, err error) error {
	return fmt.Errorf("cannot ask %s: %w: %w", question, ErrCannotAsk, err)
}

// denied are the codes by which a broker refuses the principal; asking again changes nothing until an
// administrator does.
func denied(err error) bool {
	return errors.Is(err, kerr.TopicAuthorizationFailed) || errors.Is(err, kerr.ClusterAuthorizationFailed) ||
		errors.Is(err, kerr.TransactionalIDAuthorizationFailed)
}

// Trouble is what a wait that ends can say of its reason: the last failure, or where nothing has failed yet, who
// is being waited for. Nil: nothing.
func (c *Cluster) Trouble() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.troubleLocked()
}

func (c *Cluster) troubleLocked() error {
	if c.lastErr != nil || len(c.trying) == 0 {
		return c.lastErr
	}
	addrs := slices.Sorted(maps.Keys(c.trying))
	return fmt.Errorf("no answer yet from %s", strings.Join(addrs, ", "))
}

// because adds the last failure to the reason why a wait ended, so that a user who sees a deadline also
// sees what was going wrong meanwhile.
func because(what string, end, last error) error {
	if last == nil || errors.Is(end, last) {
		return fmt.Errorf("cannot %s: %w", what, end)
	}
	return fmt.Errorf("cannot %s: %w; the last failure: %w", what, end, last)
}
