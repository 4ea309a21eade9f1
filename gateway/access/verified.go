package access

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"sync"
	"time"
)

// maxVerified bounds what is remembered as verified. Beyond it something else is
// forgotten, and verified again.
const maxVerified = 4096

// verified remembers credentials whose check is expensive, for a short time, by a
// digest under a key of this process. Safe for concurrent use.
type verified struct {
	key [32]byte

	mu     sync.Mutex // guards the following
	recent map[[sha256.Size]byte]recent
}

type recent struct {
	principal string
	until     time.Time
}

func newVerified() *verified {
	v := &verified{recent: map[[sha256.Size]byte]recent{}}
	_, _ = rand.Read(v.key[:]) // it never fails: it ends the program instead
	return v
}

// digest stands for a credential; its parts are told apart.
func (v *verified) digest(parts ...string) (d [sha256.Size]byte) {
	mac := hmac.New(sha256.New, v.key[:])
	for _, part := range parts {
		inner := sha256.Sum256([]byte(part))
		mac.Write(inner[:])
	}
	mac.Sum(d[:0])
	return d
}

func (v *verified) find(digest [sha256.Size]byte) (string, bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	r, ok := v.recent[digest]
	if ok && !time.Now().Before(r.until) {
		delete(v.recent, digest)
		return "", false
	}
	return r.principal, ok
}

func (v *verified) keep(digest [sha256.Size]byte, principal string, until time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for old := range v.recent { // whichever comes first
		if len(v.recent) < maxVerified {
			break
		}
		delete(v.recent, old)
	}
	v.recent[digest] = recent{principal, until}
}
