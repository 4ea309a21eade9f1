//go:build unix

package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// token is a JWT of claims, signed by a key that is known by this name.
func token(t *testing.T, key *ecdsa.PrivateKey, name string, claims map[string]any) string {
	t.Helper()
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", name))
	if err != nil {
		t.Fatal(err)
	}
	text, err := jwt.Signed(signer).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestServeTakesJWT of an issuer whose keys it fetches; without them it says that
// it cannot tell, and not that nobody is known.
func TestServeTakesJWT(t *testing.T) {
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		var err error
		if keys[i], err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
			t.Fatal(err)
		}
	}
	var away atomic.Bool
	away.Store(true)
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if away.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		_ = json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: keys[0].Public(), KeyID: "one", Use: "sig", Algorithm: "ES256"}}})
	}))
	defer issuer.Close()
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	args := []string{"-b", c.Addrs()[0], "--jwt-keys", issuer.URL, "--jwt-issuer", "https://issuer.example", "--jwt-audience", "ekaf"}
	claims := func(changed ...any) map[string]any {
		all := map[string]any{"iss": "https://issuer.example", "aud": "ekaf", "sub": "shop", "exp": time.Now().Add(time.Hour).Unix()}
		for i := 0; i < len(changed); i += 2 {
			all[changed[i].(string)] = changed[i+1]
		}
		return all
	}
	good := token(t, keys[0], "one", claims())
	unsure := startServe(t, args...)
	if a := unsure.ask("POST /sync/events", "x", "Authorization", "Bearer "+good); a.status != 503 || a.header.Get("Retry-After") == "" {
		t.Errorf("without the issuer's keys: %+v", a)
	}
	unsure.signal(syscall.SIGTERM)
	unsure.wait()

	away.Store(false)
	s := startServe(t, args...)
	for what, one := range map[string]struct {
		token  string
		status int
	}{
		"a good one":          {good, 200},
		"of another key":      {token(t, keys[1], "one", claims()), 401},
		"of another issuer":   {token(t, keys[0], "one", claims("iss", "https://evil.example")), 401},
		"for another":         {token(t, keys[0], "one", claims("aud", "others")), 401},
		"that is over":        {token(t, keys[0], "one", claims("exp", time.Now().Add(-time.Hour).Unix())), 401},
		"without a signature": {strings.Join(strings.Split(good, ".")[:2], ".") + ".", 401},
		"that is none":        {"none", 401},
	} {
		if a := s.ask("POST /sync/events", "x", "Authorization", "Bearer "+one.token); a.status != one.status {
			t.Errorf("a token %s: %+v", what, a)
		}
	}
	if a := s.ask("POST /sync/events", "x"); a.status != 401 || !strings.HasPrefix(a.header.Get("Www-Authenticate"), "Bearer") {
		t.Errorf("without a token: %+v", a)
	}
	s.signal(syscall.SIGTERM)
	s.wait()
	if strings.Contains(s.errOut.String(), good) {
		t.Errorf("the token is told:\n%s", s.errOut.String())
	}
	if messages, err := c.Consume("events"); err != nil || len(messages) != 1 {
		t.Errorf("a consumer sees %d messages (%v)", len(messages), err)
	}
}
