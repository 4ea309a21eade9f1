package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// JWT says which signed tokens are taken: those that a key of the set signed
// with an asymmetric algorithm, which name issuer and audience, and whose time
// has come and not ended, with a minute's tolerance.
type JWT struct {
	// Keys is the URL, https except on this machine, or the file of a JSON Web Key
	// Set (RFC 7517). It is read again every 15 minutes, and when a token names a
	// key that is not in it, though not more often than every ten seconds.
	Keys string
	// Issuer is what the claim iss must be. Needed: a set of keys may serve several.
	Issuer string
	// Audience is what the claim aud must hold. Needed: a token made for another
	// service is no admission to this one.
	Audience string
	// Principal is the claim that names the principal. Default "sub".
	Principal string
}

const (
	jwtLeeway = time.Minute
	jwtFor    = time.Minute // how long a verified token is not verified again
	maxJWT    = 16 << 10    // bytes of a token
)

// algorithms are those whose keys a set may publish: with a symmetric one, who
// can check a token could make it, and none (RFC 8725, section 3.1) checks nothing.
var algorithms = []jose.SignatureAlgorithm{
	jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA,
}

// verifier verifies tokens.
type verifier struct {
	JWT
	keys *keySet
	seen *verified
}

func newVerifier(c JWT, before *state) (*verifier, error) {
	var faults []error
	if c.Principal == "" {
		c.Principal = "sub"
	}
	if c.Issuer == "" {
		faults = append(faults, errors.New("jwt: issuer is needed: what the claim iss must be"))
	}
	if c.Audience == "" {
		faults = append(faults, errors.New("jwt: audience is needed: what the claim aud must hold"))
	}
	v := &verifier{JWT: c, seen: newVerified()}
	// Keys that are still good are kept: their issuer may be away just now.
	if before != nil && before.jwt != nil && before.jwt.Keys == c.Keys && isURL(c.Keys) {
		v.keys = before.jwt.keys
		return v, errors.Join(faults...)
	}
	var err error
	if v.keys, err = newKeySet(c.Keys); err != nil {
		faults = append(faults, fmt.Errorf("jwt: keys: %w", err))
	}
	return v, errors.Join(faults...)
}

// verify gives the principal of a token. Its errors are told to the client, and
// quote nothing of the token.
func (v *verifier) verify(ctx context.Context, raw string) (string, error) {
	if len(raw) > maxJWT {
		return "", errors.New("the token is too long")
	}
	digest := v.seen.digest(raw)
	if principal, ok := v.seen.find(digest); ok {
		return principal, nil
	}
	token, err := jwt.ParseSigned(raw, algorithms)
	if err != nil || len(token.Headers) != 1 {
		return "", errors.New("the token is neither known nor a signed one of a kind that is taken")
	}
	keys, err := v.keys.find(ctx, token.Headers[0])
	if err != nil {
		return "", err
	}
	var claims jwt.Claims
	var all map[string]any
	if !signedByOne(token, keys, &claims, &all) {
		return "", errors.New("the token is signed by none of the keys")
	}
	now := time.Now()
	if err := v.check(&claims, now); err != nil {
		return "", err
	}
	principal, _ := all[v.Principal].(string)
	if err := checkPrincipal(principal); err != nil {
		return "", fmt.Errorf("the token's claim %s is of no use: %w", v.Principal, err)
	}
	until := claims.Expiry.Time().Add(jwtLeeway)
	if soon := now.Add(jwtFor); soon.Before(until) {
		until = soon
	}
	v.seen.keep(digest, principal, until)
	return principal, nil
}

func signedByOne(token *jwt.JSONWebToken, keys []jose.JSONWebKey, claims *jwt.Claims, all *map[string]any) bool {
	for _, key := range keys {
		*claims, *all = jwt.Claims{}, nil
		if token.Claims(key.Key, claims, all) == nil {
			return true
		}
	}
	return false
}

func (v *verifier) check(claims *jwt.Claims, now time.Time) error {
	if claims.Expiry == nil {
		return errors.New("the token has no end (claim exp)")
	}
	err := claims.ValidateWithLeeway(jwt.Expected{Issuer: v.Issuer, AnyAudience: jwt.Audience{v.Audience}, Time: now}, jwtLeeway)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, jwt.ErrExpired):
		return errors.New("the token has expired (claim exp)")
	case errors.Is(err, jwt.ErrNotValidYet), errors.Is(err, jwt.ErrIssuedInTheFuture):
		return errors.New("the token's time has not come (claims nbf, iat)")
	case errors.Is(err, jwt.ErrInvalidIssuer):
		return errors.New("the token is not of our issuer (claim iss)")
	case errors.Is(err, jwt.ErrInvalidAudience):
		return errors.New("the token is not made for us (claim aud)")
	}
	return errors.New("the token's claims are not good")
}
