package access

import (
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const (
	keysFresh   = 15 * time.Minute // then they are read again, while the old ones serve
	keysGood    = 24 * time.Hour   // then they serve no longer
	keysAgain   = 10 * time.Second // between two attempts to read them
	keysTimeout = 10 * time.Second // of one attempt
	maxKeySet   = 1 << 20          // bytes
	maxKeys     = 100
	minRSABits  = 2048 // RFC 7518, section 3.3
)

var errNoKeys = errors.New("there are no keys to check tokens with")

// keySet is a JSON Web Key Set, and where it comes from. Safe for concurrent use.
type keySet struct {
	read func(context.Context) ([]jose.JSONWebKey, error)

	mu     sync.Mutex // guards the following
	keys   []jose.JSONWebKey
	since  time.Time     // when they were read
	tried  time.Time     // when the last attempt began
	flight chan struct{} // closed when the attempt under way ends; nil: none is
}

func isURL(source string) bool { return strings.Contains(source, "://") }

// newKeySet makes a set that is read when it is needed. A file is read at once,
// so that its faults show at the start.
func newKeySet(source string) (*keySet, error) {
	switch {
	case source == "":
		return nil, errors.New("the URL or the file of a JSON Web Key Set is needed")
	case !isURL(source):
		k := &keySet{read: func(context.Context) ([]jose.JSONWebKey, error) { return keysOfFile(source) }}
		var err error
		k.keys, err = keysOfFile(source)
		k.since = time.Now()
		return k, err
	}
	u, err := url.Parse(source)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("the URL cannot be read") // it may hold a password
	case u.User != nil:
		return nil, errors.New("a URL with a password in it is not taken: keys are public")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return nil, errors.New("the URL is not https: who changes keys on their way can make tokens")
	}
	client := &http.Client{
		Timeout:       keysTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &keySet{read: func(ctx context.Context) ([]jose.JSONWebKey, error) { return fetchKeys(ctx, client, source) }}, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func keysOfFile(name string) ([]jose.JSONWebKey, error) {
	text, err := readFile(name)
	if err != nil {
		return nil, err
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

func fetchKeys(ctx context.Context, client *http.Client, source string) ([]jose.JSONWebKey, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, source, nil)
	if err != nil {
		return nil, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the answer is %d", answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxKeySet))
	if err != nil {
		return nil, err
	}
	return parseKeys(text)
}

// parseKeys takes the keys of a set that are of use, and passes over those of
// kinds it does not know, as RFC 7517, section 5, demands.
func parseKeys(text []byte) ([]jose.JSONWebKey, error) {
	var set struct {
		Keys []json.RawMessage `json:"keys"`
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, errors.New("it is not a JSON Web Key Set")
	}
	if len(set.Keys) > maxKeys {
		return nil, fmt.Errorf("it holds more than %d keys", maxKeys)
	}
	var keys []jose.JSONWebKey
	for _, one := range set.Keys {
		var key jose.JSONWebKey
		if key.UnmarshalJSON(one) == nil && isOfUse(&key) {
			keys = append(keys, key)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("it holds no public key for signatures")
	}
	return keys, nil
}

func isOfUse(key *jose.JSONWebKey) bool {
	if key.Use == "enc" || !key.IsPublic() || !key.Valid() {
		return false
	}
	weak, isRSA := key.Key.(*rsa.PublicKey)
	return !isRSA || weak.N.BitLen() >= minRSABits
}

// find gives the keys that may have signed a token. It waits for an attempt to
// read the set if there is no key yet, or none of the token's name.
func (k *keySet) find(ctx context.Context, header jose.Header) ([]jose.JSONWebKey, error) {
	keys, good := k.matching(header)
	if len(keys) > 0 && good {
		return keys, nil
	}
	if err := k.renew(ctx); err != nil {
		return nil, errNoKeys
	}
	if keys, good = k.matching(header); !good {
		return nil, errNoKeys
	}
	return keys, nil
}

// matching gives the keys at hand, and reports whether the set is good for use.
// An old set is renewed beside it.
func (k *keySet) matching(header jose.Header) (found []jose.JSONWebKey, good bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	age := time.Since(k.since)
	if len(k.keys) == 0 || age > keysGood {
		return nil, false
	}
	if age > keysFresh {
		k.begin()
	}
	for _, key := range k.keys {
		if (header.KeyID == "" || key.KeyID == header.KeyID) && (key.Algorithm == "" || key.Algorithm == header.Algorithm) {
			found = append(found, key)
		}
	}
	return found, true
}

// begin begins an attempt to read the set, unless one is under way or was of
// late: tokens with names of keys that do not exist can be made up by anyone.
func (k *keySet) begin() {
	now := time.Now()
	if k.flight != nil || now.Sub(k.tried) < keysAgain {
		return
	}
	k.tried, k.flight = now, make(chan struct{})
	go func() {
		ctx, stop := context.WithTimeout(context.Background(), keysTimeout)
		defer stop()
		keys, err := k.read(ctx)
		k.mu.Lock()
		defer k.mu.Unlock()
		if err == nil {
			k.keys, k.since = keys, time.Now()
		}
		close(k.flight)
		k.flight = nil
	}()
}

// renew waits for the attempt under way, or one that it begins.
func (k *keySet) renew(ctx context.Context) error {
	k.mu.Lock()
	k.begin()
	flight := k.flight
	k.mu.Unlock()
	if flight == nil {
		return nil // there was one of late
	}
	select {
	case <-flight:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
