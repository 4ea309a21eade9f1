package access

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/ekaf-go/ekaf/gateway"
)

// Anonymous is the principal of a request without credentials. Where a rule
// names it, such requests are let in by that rule; where credentials can be
// given and none does, they are answered with 401.
const Anonymous = "anonymous"

// Config says how principals are known, and what each may do. It holds names of
// files, and no secrets.
type Config struct {
	// Tokens names a file of Bearer tokens (RFC 6750), PRINCIPAL:TOKEN a line, or
	// PRINCIPAL:sha256:HEX with the digest in place of the token. A principal may
	// have several, so that one can be replaced by the next. "": none.
	Tokens string
	// Users names an htpasswd file (RFC 7617, Basic) whose hashes are bcrypt's, as
	// "htpasswd -B" writes them. "": none.
	Users string
	// JWT says which signed tokens (RFC 7519) are taken. The zero value: none.
	JWT JWT
	// Certificates says which name of a verified client certificate is the
	// principal. "": none is.
	Certificates CertificateName
	// Rules are found by principal; "*" is for those who have none of their own.
	// nil: who is known may do everything. Otherwise who has no rule is refused.
	Rules map[string]Rule
}

// Keeper lets requests in, or not. Make one with New. Safe for concurrent use.
type Keeper struct {
	state   atomic.Pointer[state]
	replace sync.Mutex // held by Replace: two of them do not mix
}

// state is what one Config came to; it is not changed, but replaced.
type state struct {
	tokens       *tokens
	users        *users
	jwt          *verifier
	certificates CertificateName
	rules        *rules
	challenges   []string // the values of WWW-Authenticate
}

// New reads the files that a Config names. The error lists every fault of the
// Config and of its files, with their lines. Keys that a URL names are fetched
// when the first token asks for them, so that a gateway begins without their
// issuer.
func New(config Config) (*Keeper, error) {
	k := &Keeper{}
	return k, k.Replace(config)
}

// Replace reads all files again, and puts the new Config in the place of the old.
// If it has faults, the old one stays in force. Limits of rates begin anew.
func (k *Keeper) Replace(config Config) error {
	k.replace.Lock()
	defer k.replace.Unlock()
	s, err := config.load(k.state.Load())
	if err != nil {
		return err
	}
	k.state.Store(s)
	return nil
}

// Check reports the faults of a Config, as New does.
func (c Config) Check() error {
	_, err := c.load(nil)
	return err
}

func (c Config) load(before *state) (*state, error) {
	s := &state{certificates: c.Certificates}
	var faults []error
	keep := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	var err error
	if c.Tokens != "" {
		s.tokens, err = readTokens(c.Tokens)
		keep(of("tokens", err))
	}
	if c.Users != "" {
		s.users, err = readUsers(c.Users)
		keep(of("users", err))
	}
	if c.JWT != (JWT{}) {
		s.jwt, err = newVerifier(c.JWT, before)
		keep(err)
	}
	keep(c.Certificates.check())
	s.rules, err = newRules(c.Rules)
	keep(err)
	if c.Rules != nil && s.open() && !s.rules.named(Anonymous) {
		keep(errors.New("principals: nobody can be known: give tokens, users, jwt or certificates, or a rule for anonymous"))
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	if s.tokens != nil || s.jwt != nil {
		s.challenges = append(s.challenges, `Bearer realm="ekaf"`)
	}
	if s.users != nil {
		s.challenges = append(s.challenges, `Basic realm="ekaf", charset="UTF-8"`)
	}
	return s, nil
}

// of says of a file's faults, one or several joined, what the file was to hold.
func of(what string, err error) error {
	if err == nil {
		return nil
	}
	faults := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // only what readPairs has joined
		faults = joined.Unwrap()
	}
	named := make([]error, len(faults))
	for i, fault := range faults {
		named[i] = fmt.Errorf("%s: %w", what, fault)
	}
	return errors.Join(named...)
}

// Guard is a gateway.Guard. It answers with 401, 403, 429 or 503, as a
// *gateway.StatusError.
func (k *Keeper) Guard(a *gateway.Access) error {
	s := k.state.Load()
	principal, err := s.identify(a)
	if err != nil {
		return err
	}
	a.Principal = principal
	return s.rules.admit(principal, a.Topic)
}

// identify says who sends a request. A client certificate counts where no
// Authorization is given: a program that has one speaks for itself, and a proxy
// with a certificate may pass on the credentials of others.
func (s *state) identify(a *gateway.Access) (string, error) {
	r := a.Request
	given := r.Header["Authorization"]
	if len(given) > 1 {
		return "", s.unknown("Authorization is given more than once")
	}
	if len(given) == 1 {
		scheme, credential, _ := strings.Cut(given[0], " ")
		credential = strings.Trim(credential, " ")
		switch {
		case strings.EqualFold(scheme, "Bearer") && (s.tokens != nil || s.jwt != nil):
			return s.bearer(r, credential)
		case strings.EqualFold(scheme, "Basic") && s.users != nil:
			return s.ambient(a, func() (string, error) { return s.basic(r) })
		}
		return "", s.unknown("credentials of this kind are not taken here")
	}
	if s.certificates != "" && r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return s.ambient(a, func() (string, error) { return s.certified(r) })
	}
	if s.rules.named(Anonymous) || s.open() {
		return Anonymous, nil
	}
	return "", s.unknown("who is asking? Credentials are needed")
}

// ambient lets in by what browsers send of themselves, also with requests that a
// page of somebody else has them make: those are refused (CSRF).
func (s *state) ambient(a *gateway.Access, identify func() (string, error)) (string, error) {
	// The standard library's look is for all routes, and lets safe methods in; the
	// gateway's is for those that produce, one of them by GET.
	if a.Foreign || http.NewCrossOriginProtection().Check(a.Request) != nil {
		return "", &gateway.StatusError{
			Status:  http.StatusForbidden,
			Message: "a page of another origin may not use a browser's password or certificate; a Bearer token may be used",
		}
	}
	return identify()
}

func (s *state) certified(r *http.Request) (string, error) {
	if name := s.certificates.of(r.TLS.VerifiedChains[0][0]); name != "" {
		return name, nil
	}
	return "", s.unknown(fmt.Sprintf("the client certificate has no %s that could name the principal", s.certificates))
}

// open: nobody could be known, so that nobody is asked who they are.
func (s *state) open() bool {
	return s.tokens == nil && s.users == nil && s.jwt == nil && s.certificates == ""
}

func (s *state) bearer(r *http.Request, credential string) (string, error) {
	if s.tokens != nil {
		if principal, ok := s.tokens.find(credential); ok {
			return principal, nil
		}
	}
	if s.jwt == nil {
		return "", s.unknown("the token is not known")
	}
	principal, err := s.jwt.verify(r.Context(), credential)
	if err == nil {
		return principal, nil
	}
	if errors.Is(err, errNoKeys) {
		return "", &gateway.StatusError{
			Status: http.StatusServiceUnavailable, Message: "the keys that tokens are checked with cannot be had now", RetryAfter: keysAgain,
		}
	}
	return "", s.unknown(err.Error())
}

func (s *state) basic(r *http.Request) (string, error) {
	name, password, ok := r.BasicAuth()
	if !ok {
		return "", s.unknown("the credentials are malformed")
	}
	known, err := s.users.verify(r.Context(), name, password)
	if err != nil {
		return "", err
	}
	if !known {
		return "", s.unknown("user or password is wrong")
	}
	return name, nil
}

// unknown is the answer to who is not known (RFC 9110, 15.5.2).
func (s *state) unknown(why string) error {
	e := &gateway.StatusError{Status: http.StatusUnauthorized, Message: why}
	if len(s.challenges) > 0 {
		e.Header = http.Header{"Www-Authenticate": s.challenges}
	}
	return e
}
