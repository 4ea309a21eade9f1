package access

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/ekaf-go/ekaf/gateway"
)

const (
	shopToken  = "shop-token-0123456789"
	otherToken = "other-token-0123456789"
)

// file writes a file of lines.
func file(t testing.TB, lines ...string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func hash(t testing.TB, password string) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(h)
}

func keeper(t testing.TB, c Config) *Keeper {
	t.Helper()
	k, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// ask puts a request to the keeper, with headers by name and value in turn, and
// gives "200 principal", or the status of the refusal.
func ask(k *Keeper, topic string, header ...string) (string, *gateway.StatusError) {
	r := httptest.NewRequest(http.MethodPost, "/async/"+topic, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	return judge(k, topic, r)
}

func judge(k *Keeper, topic string, r *http.Request) (string, *gateway.StatusError) {
	a := &gateway.Access{Request: r, Topic: topic}
	err := k.Guard(a)
	if err == nil {
		return "200 " + a.Principal, nil
	}
	f, ok := errors.AsType[*gateway.StatusError](err)
	if !ok {
		return err.Error(), nil
	}
	return fmt.Sprint(f.Status), f
}

func basic(user, password string) string {
	r := &http.Request{Header: http.Header{}}
	r.SetBasicAuth(user, password)
	return r.Header.Get("Authorization")
}

func TestWhoIsLetIn(t *testing.T) {
	digest := sha256.Sum256([]byte(otherToken))
	k := keeper(t, Config{
		Tokens: file(t, "# tokens", "", "shop:"+shopToken, "other:sha256:"+hex.EncodeToString(digest[:])),
		Users:  file(t, "alice:"+hash(t, "wonder:land"), "bob:"+hash(t, "builder")),
	})
	for header, want := range map[string]string{
		"Bearer " + shopToken:                 "200 shop",
		"bearer  " + shopToken:                "200 shop",
		"Bearer " + otherToken:                "200 other",
		"Bearer " + otherToken + "x":          "401",
		"Bearer ":                             "401",
		"Bearer":                              "401",
		"":                                    "401",
		"Digest x":                            "401",
		basic("alice", "wonder:land"):         "200 alice",
		basic("alice", "wonderland"):          "401",
		basic("alice", "builder"):             "401",
		basic("nobody", "builder"):            "401",
		basic("", ""):                         "401",
		"Basic not base64":                    "401",
		basic("bob", "builder"):               "200 bob",
		"BASIC" + basic("bob", "builder")[5:]: "200 bob",
	} {
		for range 2 { // the second time from what is remembered
			got, f := ask(k, "events", "Authorization", header)
			if got != want {
				t.Errorf("%q: %s, want %s", header, got, want)
			}
			if f != nil && len(f.Header["Www-Authenticate"]) != 2 {
				t.Errorf("%q: challenged with %v", header, f.Header)
			}
		}
	}
	if got, _ := ask(k, "events"); got != "401" {
		t.Errorf("without credentials: %s", got)
	}
	if got, _ := ask(k, "events", "Authorization", "Bearer "+shopToken, "Authorization", "Bearer "+shopToken); got != "401" {
		t.Errorf("two credentials: %s", got)
	}
}

func TestCertificates(t *testing.T) {
	spiffe, err := url.Parse("spiffe://example/shop")
	if err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		Subject:  pkix.Name{CommonName: "shop", Organization: []string{"Example"}},
		DNSNames: []string{"shop.example", "b.example"}, URIs: []*url.URL{spiffe}, EmailAddresses: []string{"shop@example"},
	}
	request := func(state *tls.ConnectionState, header ...string) *http.Request {
		r := httptest.NewRequest(http.MethodPost, "/async/events", nil)
		r.TLS = state
		for i := 0; i < len(header); i += 2 {
			r.Header.Add(header[i], header[i+1])
		}
		return r
	}
	verified := func(c *x509.Certificate) *tls.ConnectionState {
		return &tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}, VerifiedChains: [][]*x509.Certificate{{c}}}
	}
	for name, want := range map[CertificateName]string{
		CommonName: "200 shop", Subject: "200 CN=shop,O=Example", DNSName: "200 shop.example",
		URI: "200 spiffe://example/shop", Email: "200 shop@example",
	} {
		k := keeper(t, Config{Certificates: name, Tokens: file(t, "token:"+shopToken)})
		for got, want := range map[*http.Request]string{
			request(verified(leaf)):                want,
			request(verified(&x509.Certificate{})): "401",
			request(nil):                           "401",
			request(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}}):             "401", // not verified
			request(verified(leaf), "Authorization", "Bearer "+shopToken):                          "200 token",
			request(verified(leaf), "Authorization", "Bearer wrong"):                               "401",
			request(verified(leaf), "Sec-Fetch-Site", "cross-site", "Origin", "https://x.example"): "403",
		} {
			if answer, _ := judge(k, "events", got); answer != want {
				t.Errorf("%s: %s, want %s", name, answer, want)
			}
		}
	}
}

// TestPasswordsOfForeignPages: a GET that produces is none that may come with them.
func TestPasswordsOfForeignPages(t *testing.T) {
	k := keeper(t, Config{Users: file(t, "alice:"+hash(t, "wonder-secret")), Tokens: file(t, "shop:"+shopToken)})
	for _, foreign := range []bool{false, true} {
		basic, bearer := httptest.NewRequest(http.MethodGet, "/v1/beacon/events?a=1", nil), httptest.NewRequest(http.MethodGet, "/v1/beacon/events?a=1", nil)
		basic.SetBasicAuth("alice", "wonder-secret")
		bearer.Header.Set("Authorization", "Bearer "+shopToken)
		err := k.Guard(&gateway.Access{Request: basic, Topic: "events", Foreign: foreign})
		if f, refused := errors.AsType[*gateway.StatusError](err); refused != foreign || refused && f.Status != 403 {
			t.Errorf("foreign %v: %v", foreign, err)
		}
		if err := k.Guard(&gateway.Access{Request: bearer, Topic: "events", Foreign: foreign}); err != nil {
			t.Errorf("foreign %v: %v", foreign, err) // no browser sends one by itself
		}
	}
}

func TestReplaceKeepsTheOldWhereTheNewHasFaults(t *testing.T) {
	name := file(t, "shop:"+shopToken)
	k := keeper(t, Config{Tokens: name})
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("shop:short\n:x\nno colon\nshop:" + otherToken + "\nshop:" + otherToken)
	err := k.Replace(Config{Tokens: name})
	for _, want := range []string{":1: ", ":2: ", ":3: ", ":5: "} {
		if err == nil || !strings.Contains(err.Error(), name+want) {
			t.Errorf("line %q is missing from: %v", want, err)
		}
	}
	if err != nil && (strings.Contains(err.Error(), "short") || strings.Contains(err.Error(), otherToken)) {
		t.Errorf("a secret is told: %v", err)
	}
	if got, _ := ask(k, "events", "Authorization", "Bearer "+shopToken); got != "200 shop" {
		t.Errorf("the old is gone: %s", got)
	}
	write("shop:" + otherToken)
	if err := k.Replace(Config{Tokens: name}); err != nil {
		t.Fatal(err)
	}
	if got, _ := ask(k, "events", "Authorization", "Bearer "+shopToken); got != "401" {
		t.Errorf("a withdrawn token is taken: %s", got)
	}
}

func TestFaultsAreListedAtOnce(t *testing.T) {
	_, err := New(Config{
		Tokens: file(t, "# none"), Users: file(t, "alice:{SHA}0DPiKuNIrrVmD8IUCuw1hQxNqZc=", "bob:$2y$31$"+strings.Repeat("x", 53)),
		JWT: JWT{Keys: "http://issuer.example/keys"}, Certificates: "name",
		Rules: map[string]Rule{"a": {Topics: []string{"x*y", ""}, Rate: -1}, "": {}},
	})
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{
		"holds no token", ":1: the password is not hashed with bcrypt", ":2: ", "not https", "issuer is needed", "audience is needed",
		"certificates: the principal is", `"x*y" has a *`, "a name is empty", "negative", "the principal's name is empty",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from\n%v", want, err)
		}
	}
	if _, err := New(Config{Rules: map[string]Rule{"shop": {}}}); err == nil || !strings.Contains(err.Error(), "nobody can be known") {
		t.Errorf("rules for people that nobody can be: %v", err)
	}
	if _, err := New(Config{Tokens: filepath.Join(t.TempDir(), "none")}); err == nil {
		t.Error("a file that does not exist is taken")
	}
}

// TestManyAtOnceVerifyOnce: those that come with the same password while it is
// being verified do not each take a turn.
func TestManyAtOnceVerifyOnce(t *testing.T) {
	k := keeper(t, Config{Users: file(t, "alice:"+hash(t, "wonderland"))})
	answers := make(chan string)
	for range 50 {
		go func() {
			got, _ := ask(k, "events", "Authorization", basic("alice", "wonderland"))
			answers <- got
		}()
	}
	for range 50 {
		if got := <-answers; got != "200 alice" {
			t.Error(got)
		}
	}
}

func TestWhatIsVerifiedIsBounded(t *testing.T) {
	v := newVerified()
	for i := range maxVerified + 100 {
		v.keep(v.digest(fmt.Sprint(i)), "x", farAway)
	}
	if len(v.recent) != maxVerified {
		t.Errorf("%d are remembered", len(v.recent))
	}
	if v.digest("a", "bc") == v.digest("ab", "c") {
		t.Error("the parts of a credential are not told apart")
	}
}

func FuzzAuthorization(f *testing.F) {
	k := keeper(f, Config{
		Tokens: file(f, "shop:"+shopToken), JWT: JWT{Keys: file(f, publicKeys(f, newSigner(f, "one"))), Issuer: "i", Audience: "a"},
		Users: file(f, "alice:"+hash(f, "wonderland")),
	})
	for _, seed := range []string{
		"Bearer " + shopToken, basic("alice", "x"), "Bearer a.b.c", "Bearer eyJhbGciOiJub25lIn0.e30.", "Bearer", " ", "Basic Og==", "Bearer {}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if got, _ := ask(k, "events", "Authorization", text); got != "401" && (got != "200 shop" || !strings.Contains(text, shopToken)) {
			t.Errorf("%q: %s", text, got)
		}
	})
}

// FuzzPairs: a file of tokens or users gives those that it names, or a fault that
// tells no secret.
func FuzzPairs(f *testing.F) {
	seeds := []string{"shop:" + shopToken, "# a comment\n\nalice:" + hash(f, "wonderland"), "shop:short", "no colon", ":x", "a\x00b:secretsecretsecret", "shop:sha256:00ff"}
	for _, seed := range seeds {
		f.Add(seed)
	}
	path := filepath.Join(f.TempDir(), "pairs")
	f.Fuzz(func(t *testing.T, text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tokens, err := readTokens(path)
		if err == nil && len(tokens.byPrefix) == 0 {
			t.Error("no token and no fault")
		}
		users, fault := readUsers(path)
		if fault == nil && len(users.hashes) == 0 {
			t.Error("no user and no fault")
		}
		for line := range strings.Lines(text) {
			_, secret, _ := strings.Cut(strings.TrimSpace(line), ":")
			if len(secret) < minToken || strings.HasPrefix(secret, "sha256:") {
				continue
			}
			for _, told := range []error{err, fault} {
				if told != nil && strings.Contains(told.Error(), secret) {
					t.Errorf("a fault tells a secret: %v", told)
				}
			}
		}
	})
}
