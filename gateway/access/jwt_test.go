package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// signer is an issuer's key.
type signer struct {
	name    string
	private any
	kind    jose.SignatureAlgorithm
}

func newSigner(t testing.TB, name string) *signer {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{name, key, jose.ES256}
}

func (s *signer) public() jose.JSONWebKey {
	key := jose.JSONWebKey{Key: s.private, KeyID: s.name, Use: "sig", Algorithm: string(s.kind)}
	return key.Public()
}

func publicKeys(t testing.TB, signers ...*signer) string {
	t.Helper()
	var set jose.JSONWebKeySet
	for _, s := range signers {
		set.Keys = append(set.Keys, s.public())
	}
	text, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// sign makes a token of claims, some of which replace those of a good one. A
// claim that is nil is left out.
func (s *signer) sign(t testing.TB, replaced map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "https://issuer.example", "aud": []string{"other", "ekaf"}, "sub": "alice",
		"exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(),
	}
	for name, value := range replaced {
		claims[name] = value
		if value == nil {
			delete(claims, name)
		}
	}
	made, err := jose.NewSigner(jose.SigningKey{Algorithm: s.kind, Key: s.private}, (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.name))
	if err != nil {
		t.Fatal(err)
	}
	token, err := jwt.Signed(made).Claims(claims).Serialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func jwtConfig(keys string) Config {
	return Config{JWT: JWT{Keys: keys, Issuer: "https://issuer.example", Audience: "ekaf"}}
}

func TestJWT(t *testing.T) {
	good, stranger := newSigner(t, "one"), newSigner(t, "one")
	weakKey, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	weak := &signer{"weak", weakKey, jose.RS256}
	symmetric := &signer{"secret", []byte(strings.Repeat("k", 32)), jose.HS256}
	k := keeper(t, jwtConfig(file(t, publicKeys(t, good, weak))))
	hour := func(n int) int64 { return time.Now().Add(time.Duration(n) * time.Hour).Unix() }
	whole := good.sign(t, nil)
	for what, c := range map[string]struct{ token, want string }{
		"good":                {whole, "200 alice"},
		"one audience":        {good.sign(t, map[string]any{"aud": "ekaf"}), "200 alice"},
		"expired":             {good.sign(t, map[string]any{"exp": hour(-1)}), "401"},
		"without end":         {good.sign(t, map[string]any{"exp": nil}), "401"},
		"not yet":             {good.sign(t, map[string]any{"nbf": hour(1)}), "401"},
		"of another issuer":   {good.sign(t, map[string]any{"iss": "x"}), "401"},
		"for another service": {good.sign(t, map[string]any{"aud": "x"}), "401"},
		"for nobody":          {good.sign(t, map[string]any{"aud": nil}), "401"},
		"without a principal": {good.sign(t, map[string]any{"sub": nil}), "401"},
		"a number":            {good.sign(t, map[string]any{"sub": 7}), "401"},
		"a control character": {good.sign(t, map[string]any{"sub": "a\r\nb"}), "401"},
		"another key":         {stranger.sign(t, nil), "401"},
		"a weak key":          {weak.sign(t, nil), "401"},
		"symmetric":           {symmetric.sign(t, nil), "401"},
		"cut":                 {whole[:len(whole)-4], "401"},
		"unsigned":            {"eyJhbGciOiJub25lIn0." + strings.Split(whole, ".")[1] + ".", "401"},
		"too long":            {whole + strings.Repeat("x", maxJWT), "401"},
	} {
		for range 2 {
			got, f := ask(k, "events", "Authorization", "Bearer "+c.token)
			if got != c.want {
				t.Errorf("%s: %s, want %s", what, got, c.want)
			}
			if f != nil && strings.Contains(f.Message, c.token) {
				t.Errorf("%s: the token is told", what)
			}
		}
	}
	c := jwtConfig(file(t, publicKeys(t, good)))
	c.JWT.Principal = "client_id"
	if got, _ := ask(keeper(t, c), "events", "Authorization", "Bearer "+good.sign(t, map[string]any{"client_id": "shop"})); got != "200 shop" {
		t.Errorf("by another claim: %s", got)
	}
}

func TestKeysOfAnIssuer(t *testing.T) {
	first, second := newSigner(t, "first"), newSigner(t, "second")
	var asked atomic.Int64
	var answer atomic.Value
	answer.Store("")
	issuer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		text := answer.Load().(string)
		if text == "" {
			w.WriteHeader(http.StatusInternalServerError)
		}
		_, _ = w.Write([]byte(text))
	}))
	defer issuer.Close()
	defer http.DefaultClient.CloseIdleConnections()
	k := keeper(t, jwtConfig(issuer.URL))
	keys := k.state.Load().jwt.keys
	want := func(s *signer, want string) {
		t.Helper()
		if got, _ := ask(k, "events", "Authorization", "Bearer "+s.sign(t, nil)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	later := func() { // as if it were
		keys.mu.Lock()
		defer keys.mu.Unlock()
		keys.tried = keys.tried.Add(-keysAgain)
	}
	want(first, "503") // the issuer is broken
	want(first, "503")
	if asked.Load() != 1 {
		t.Errorf("the issuer was asked %d times in a row", asked.Load())
	}
	later()
	answer.Store(publicKeys(t, first))
	want(first, "200 alice")
	want(second, "401") // not asked for again so soon
	answer.Store(publicKeys(t, first, second))
	later()
	want(second, "200 alice")
	answer.Store("")
	later()
	if err := k.Replace(jwtConfig(issuer.URL)); err != nil {
		t.Fatal(err)
	}
	want(first, "200 alice") // the keys outlive a change of configuration
	keys.mu.Lock()
	keys.since = keys.since.Add(-keysGood)
	keys.mu.Unlock()
	want(first, "503") // too old to be trusted
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func FuzzKeySet(f *testing.F) {
	f.Add([]byte(publicKeys(f, newSigner(f, "one"))))
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"oct","k":"AA"},{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}]}`))
	f.Add([]byte(`{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		keys, err := parseKeys(text)
		if err == nil && (len(keys) == 0 || len(keys) > maxKeys) {
			t.Errorf("%d keys and no fault", len(keys))
		}
		for _, key := range keys {
			if !key.IsPublic() {
				t.Error("a private key is kept")
			}
		}
	})
}
