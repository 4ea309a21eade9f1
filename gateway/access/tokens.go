package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// minToken is the fewest characters of a token: a token is its own protection
// against guessing, which goes on as fast as a gateway answers.
const minToken = 16

// tokens are known by their digests, and the digests by where they begin: how
// long the search takes depends on the digest's first bytes, of which a guesser
// learns nothing about the token. The rest is compared in constant time.
type tokens struct {
	byPrefix map[[8]byte][]token
}

type token struct {
	digest    [sha256.Size]byte
	principal string
}

func readTokens(file string) (*tokens, error) {
	t := &tokens{byPrefix: map[[8]byte][]token{}}
	err := readPairs(file, t.add)
	if err == nil && len(t.byPrefix) == 0 {
		err = fmt.Errorf("%s holds no token: give PRINCIPAL:TOKEN a line", file)
	}
	return t, err
}

func (t *tokens) add(principal, secret string) error {
	digest := sha256.Sum256([]byte(secret))
	if text, digested := strings.CutPrefix(secret, "sha256:"); digested {
		n, err := hex.Decode(digest[:], []byte(text[:min(len(text), 2*sha256.Size)]))
		if err != nil || n != sha256.Size || len(text) != 2*sha256.Size {
			return errors.New("sha256: is followed by 64 hexadecimal digits")
		}
	} else if err := checkToken(secret); err != nil {
		return err
	}
	prefix := [8]byte(digest[:8])
	if slices.ContainsFunc(t.byPrefix[prefix], func(kept token) bool { return kept.digest == digest }) {
		return errors.New("the token stands on an earlier line too")
	}
	t.byPrefix[prefix] = append(t.byPrefix[prefix], token{digest, principal})
	return nil
}

// checkToken holds a token against RFC 6750, section 2.1 (b64token).
func checkToken(secret string) error {
	if len(secret) < minToken {
		return fmt.Errorf("a token has at least %d characters: openssl rand -hex 32 makes one", minToken)
	}
	for _, c := range []byte(strings.TrimRight(secret, "=")) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~+/", c) >= 0) {
			return errors.New("a token is made of letters, digits and -._~+/, and may end in =")
		}
	}
	return nil
}

// find gives the principal of a token.
func (t *tokens) find(secret string) (principal string, ok bool) {
	digest := sha256.Sum256([]byte(secret))
	for _, kept := range t.byPrefix[[8]byte(digest[:8])] {
		if subtle.ConstantTimeCompare(kept.digest[:], digest[:]) == 1 {
			principal, ok = kept.principal, true
		}
	}
	return principal, ok
}
