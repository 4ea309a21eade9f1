package ekaftest

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"strings"
)

const scramIterations = 4096

var errCredentials = errors.New("invalid credentials")

// scram is the server's side of one exchange (RFC 5802, RFC 7677):
//
//	client-first  n,,n=USER,r=NONCE
//	server-first  r=NONCE+OURS,s=SALT,i=4096
//	client-final  c=biws,r=NONCE+OURS,p=PROOF
//	server-final  v=SIGNATURE
type scram struct {
	hash        func() hash.Hash
	user        string
	password    string
	known       bool
	salt        []byte
	nonce       string
	clientFirst string
	serverFirst string
}

func scramHash(mechanism string) func() hash.Hash {
	if mechanism == scramSHA512 {
		return sha512.New
	}
	return sha256.New
}

// first reads client-first and answers server-first. Whether the user exists
// shows only at the end, as with real brokers.
func (s *scram) first(message string, users map[string]string) (string, error) {
	header, bare, ok := cutGS2(message)
	if !ok || header[0] == 'p' {
		return "", errors.New("malformed client-first message")
	}
	s.clientFirst = bare
	fields := scramFields(bare)
	s.user = strings.NewReplacer("=2C", ",", "=3D", "=").Replace(fields["n"])
	if s.user == "" || fields["r"] == "" {
		return "", errors.New("malformed client-first message")
	}
	s.password, s.known = users[s.user]
	random := make([]byte, 32)
	rand.Read(random) // never fails
	s.salt = random[:16]
	s.nonce = fields["r"] + base64.RawStdEncoding.EncodeToString(random[16:])
	s.serverFirst = fmt.Sprintf("r=%s,s=%s,i=%d", s.nonce, base64.StdEncoding.EncodeToString(s.salt), scramIterations)
	return s.serverFirst, nil
}

// final reads client-final and answers server-final.
func (s *scram) final(message string) (string, error) {
	bare, proof64, ok := strings.Cut(message, ",p=")
	fields := scramFields(bare)
	proof, err := base64.StdEncoding.DecodeString(proof64)
	if !ok || err != nil || fields["r"] != s.nonce {
		return "", errors.New("malformed client-final message")
	}
	salted, err := pbkdf2.Key(s.hash, s.password, s.salt, scramIterations, s.hash().Size())
	if err != nil {
		return "", err
	}
	clientKey := s.mac(salted, "Client Key")
	stored := s.hash()
	stored.Write(clientKey)
	auth := s.clientFirst + "," + s.serverFirst + "," + bare
	want := s.mac(stored.Sum(nil), auth)
	subtle.XORBytes(want, want, clientKey)
	if !s.known || !hmac.Equal(want, proof) {
		return "", errCredentials
	}
	signature := s.mac(s.mac(salted, "Server Key"), auth)
	return "v=" + base64.StdEncoding.EncodeToString(signature), nil
}

func (s *scram) mac(key []byte, message string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// cutGS2 splits "n,authzid,rest" into header and rest.
func cutGS2(message string) (header, rest string, ok bool) {
	parts := strings.SplitN(message, ",", 3)
	if len(parts) < 3 || parts[0] == "" {
		return "", "", false
	}
	return parts[0], parts[2], true
}

func scramFields(message string) map[string]string {
	fields := make(map[string]string)
	for field := range strings.SplitSeq(message, ",") {
		if name, value, ok := strings.Cut(field, "="); ok {
			fields[name] = value
		}
	}
	return fields
}
