package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/ekaf-go/ekaf/gateway"
)

const (
	// usersFor is how long a verified password is not verified again.
	usersFor = 5 * time.Minute
	// turnWait is how long a password waits for its turn to be verified.
	turnWait = 2 * time.Second
	// maxCost is the most work of a hash: each step doubles it, and 14 takes a
	// second.
	maxCost = 14
)

// users are the lines of an htpasswd file.
type users struct {
	hashes map[string][]byte
	// stranger is compared with the password of a user that does not exist: the
	// time of the answer tells nobody which users do.
	stranger []byte
	// turns bounds the passwords being verified at once. A comparison takes up to a
	// second of a CPU, which strangers must not be able to take from the requests of
	// others.
	turns chan struct{}
	seen  *verified
}

func readUsers(file string) (*users, error) {
	u := &users{
		hashes: map[string][]byte{}, seen: newVerified(),
		turns: make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2)),
	}
	err := readPairs(file, u.add)
	if err == nil && len(u.hashes) == 0 {
		err = fmt.Errorf("%s holds no user: htpasswd -B %s NAME adds one", file, file)
	}
	return u, err
}

func (u *users) add(name, hash string) error {
	if _, twice := u.hashes[name]; twice {
		return errors.New("the user stands on an earlier line too")
	}
	cost, err := bcrypt.Cost([]byte(hash))
	if err != nil || len(hash) != 60 || !strings.HasPrefix(hash, "$2") {
		return errors.New("the password is not hashed with bcrypt: htpasswd -B does so")
	}
	if cost > maxCost {
		return fmt.Errorf("the cost of the hash is %d, more than %d: one request would keep a CPU busy for seconds", cost, maxCost)
	}
	u.hashes[name] = []byte(hash)
	if u.stranger == nil {
		u.stranger = []byte(hash)
	}
	return nil
}

// verify reports whether the password is the user's. The error says that too many
// are being verified.
func (u *users) verify(ctx context.Context, name, password string) (bool, error) {
	digest := u.seen.digest(name, password)
	if _, ok := u.seen.find(digest); ok {
		return true, nil
	}
	timer := time.NewTimer(turnWait)
	defer timer.Stop()
	select {
	case u.turns <- struct{}{}:
		defer func() { <-u.turns }()
	case <-ctx.Done():
		return false, tooManyPasswords
	case <-timer.C:
		return false, tooManyPasswords
	}
	// Of many connections that begin with the same password, the first has verified
	// it while the others waited.
	if _, ok := u.seen.find(digest); ok {
		return true, nil
	}
	hash, exists := u.hashes[name]
	if !exists {
		hash = u.stranger
	}
	right := bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && exists
	if right {
		u.seen.keep(digest, name, time.Now().Add(usersFor))
	}
	return right, nil
}

var tooManyPasswords error = &gateway.StatusError{
	Status: http.StatusServiceUnavailable, Message: "too many passwords are being checked", RetryAfter: time.Second,
}
