package ekaftest

import (
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// handle carries out one request. An error ends the session.
func (s *session) handle(f *frame) error {
	c := s.b.c
	if err := s.admit(f); err != nil {
		return err
	}
	c.nameTopics(f.body)
	r := Request{Broker: s.b.id, Connection: s.id, ClientID: f.clientID, Body: f.body}
	c.observe(r)
	hit := c.faults.take(r)
	if hit.lost() == LoseRequest {
		return s.lose(hit)
	}
	payload, throttle, err := s.answer(f, hit)
	if err != nil {
		return err
	}
	if hit.lost() == LoseAnswer || hit.hangsUp() {
		return s.lose(hit)
	}
	if payload != nil {
		if err := s.send(payload, s.b.net.latency()+hit.delay()); err != nil {
			return err
		}
	}
	// KIP-219: the answer goes out at once, then the connection is muted.
	if throttle > 0 && !s.sleep(throttle) {
		return errHangUp
	}
	return nil
}

// lose leaves a request unanswered. Without closing, the connection is of no
// more use: a later answer in its place would break the protocol. So it goes
// silent until the client gives it up.
func (s *session) lose(hit hits) error {
	if !s.sleep(hit.delay()) || hit.hangsUp() {
		return errHangUp
	}
	select {
	case <-s.done:
	case <-s.noInput:
	}
	return errHangUp
}

// admit checks what a broker checks before it looks at a request's content.
func (s *session) admit(f *frame) error {
	key := f.body.Key()
	if s.b.c.serves(key, f.version) || key == kmsg.ApiVersions.Int16() {
		return s.authorize(kmsg.Key(key))
	}
	return errHangUp
}

func (s *session) answer(f *frame, hit hits) (payload []byte, throttle time.Duration, err error) {
	c := s.b.c
	switch req := f.body.(type) {
	case *kmsg.ProduceRequest:
		resp, err := s.produce(req, hit)
		if err != nil || req.Acks == 0 {
			return nil, 0, err
		}
		throttle := c.throttling()
		resp.ThrottleMillis = int32(throttle.Milliseconds())
		return encode(f, resp), throttle, nil
	case *kmsg.ApiVersionsRequest:
		return s.patched(f, &kmsg.ApiVersionsResponse{Version: f.version}, c.capVersions)
	case *kmsg.SASLHandshakeRequest:
		return encode(f, s.saslHandshake(req, hit)), 0, nil
	case *kmsg.SASLAuthenticateRequest:
		resp, ok := s.saslAuthenticate(req, hit)
		if !ok {
			return nil, 0, errors.Join(s.send(encode(f, resp), s.b.net.latency()), errHangUp)
		}
		return encode(f, resp), 0, nil
	case *kmsg.MetadataRequest:
		return s.patched(f, &kmsg.MetadataResponse{Version: f.version}, s.overlayMetadata)
	case *kmsg.FetchRequest:
		return s.patched(f, &kmsg.FetchResponse{Version: f.version}, s.restoreIdentities)
	case *kmsg.DescribeProducersRequest:
		return s.patched(f, &kmsg.DescribeProducersResponse{Version: f.version}, s.describeProducers)
	case *kmsg.DescribeConfigsRequest:
		return s.patched(f, &kmsg.DescribeConfigsResponse{Version: f.version}, func(r kmsg.Response) {
			c.describeExpiry(req, r.(*kmsg.DescribeConfigsResponse))
		})
	}
	payload, err = s.forward(f.raw, true)
	return payload, 0, err
}

// patched forwards a request and lets patch change kfake's answer.
func (s *session) patched(f *frame, resp kmsg.Response, patch func(kmsg.Response)) ([]byte, time.Duration, error) {
	if v, ok := resp.(*kmsg.ApiVersionsResponse); ok && !s.b.c.serves(f.body.Key(), f.version) {
		return encode(f, s.b.c.unsupportedVersion(v)), 0, nil
	}
	payload, err := s.forward(f.raw, true)
	if err != nil {
		return nil, 0, err
	}
	if err := decode(payload, resp); err != nil {
		return nil, 0, err
	}
	patch(resp)
	return encode(f, resp), 0, nil
}

// serves tells whether the emulated release knows this version of an API.
func (c *Cluster) serves(key, version int16) bool {
	if c.cfg.versions == nil {
		return version <= kmsg.RequestForKey(key).MaxVersion()
	}
	newest, ok := c.cfg.versions.LookupMaxKeyVersion(key)
	return ok && version <= newest
}

// capVersions limits ApiVersions answers to the emulated release.
func (c *Cluster) capVersions(r kmsg.Response) {
	resp := r.(*kmsg.ApiVersionsResponse)
	if c.cfg.versions == nil {
		return
	}
	kept := resp.ApiKeys[:0]
	for _, k := range resp.ApiKeys {
		if k.ApiKey == kmsg.SASLHandshake.Int16() {
			k.MinVersion = 0 // kfake lacks what releases before 1.0 have; it is served here
		}
		if newest, ok := c.cfg.versions.LookupMaxKeyVersion(k.ApiKey); ok && newest >= k.MinVersion {
			k.MaxVersion = min(k.MaxVersion, newest)
			kept = append(kept, k)
		}
	}
	resp.ApiKeys = kept
}

// unsupportedVersion is the answer to an ApiVersions request newer than the
// broker (KIP-511): version 0, error 35, and the range it may use.
func (c *Cluster) unsupportedVersion(resp *kmsg.ApiVersionsResponse) kmsg.Response {
	resp.Version = 0
	resp.ErrorCode = kerr.UnsupportedVersion.Code
	key := kmsg.NewApiVersionsResponseApiKey()
	key.ApiKey = kmsg.ApiVersions.Int16()
	key.MaxVersion = 5
	if c.cfg.versions != nil {
		key.MaxVersion, _ = c.cfg.versions.LookupMaxKeyVersion(key.ApiKey)
	}
	resp.ApiKeys = append(resp.ApiKeys, key)
	return resp
}

// nameTopics fills in the names of topics a request gives by id (KIP-516), so
// that faults, hooks and tests can go by name. The ids stay.
func (c *Cluster) nameTopics(body kmsg.Request) {
	name := func(id [16]byte) string {
		if info := c.kafka().topicByID(id); info != nil {
			return info.Topic
		}
		return ""
	}
	switch req := body.(type) {
	case *kmsg.ProduceRequest:
		for i := range req.Topics {
			if t := &req.Topics[i]; req.Version >= 13 {
				t.Topic = name(t.TopicID)
			}
		}
	case *kmsg.FetchRequest:
		for i := range req.Topics {
			if t := &req.Topics[i]; req.Version >= 13 {
				t.Topic = name(t.TopicID)
			}
		}
	}
}
