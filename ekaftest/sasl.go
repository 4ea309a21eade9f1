package ekaftest

import "github.com/twmb/franz-go/pkg/kmsg"

type saslConfig struct{}
type saslState struct{}

func (s *session) authorize(kmsg.Key) error { return nil }

func (s *session) saslHandshake(req *kmsg.SASLHandshakeRequest) kmsg.Response {
	return req.ResponseKind()
}
func (s *session) saslAuthenticate(req *kmsg.SASLAuthenticateRequest) kmsg.Response {
	return req.ResponseKind()
}
