package cluster

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// describeConfigs is the key of DescribeConfigs.
const describeConfigs = 32

// configs is an answer with these values, and this code.
func configs(code int16, values map[string]string) kmsg.Response {
	resp := kmsg.NewPtrDescribeConfigsResponse()
	r := kmsg.NewDescribeConfigsResponseResource()
	r.ErrorCode = code
	for name, value := range values {
		config := kmsg.NewDescribeConfigsResponseResourceConfig()
		config.Name, config.Value = name, kmsg.StringPtr(value)
		r.Configs = append(r.Configs, config)
	}
	resp.Resources = append(resp.Resources, r)
	return resp
}

func TestProducerExpiry(t *testing.T) {
	for name, want := range map[string]struct {
		values map[string]string
		expiry time.Duration // 0: it cannot be learned
	}{
		"since Kafka 3.4":       {map[string]string{producerIDExpiration: "3600000", transactionalIDExpiration: "604800000"}, time.Hour},
		"before Kafka 3.4":      {map[string]string{transactionalIDExpiration: "604800000"}, 7 * 24 * time.Hour},
		"more than a day holds": {map[string]string{producerIDExpiration: "9223372036854775807"}, maxExpiry},
		"not listed":            {nil, 0},
		"not a number":          {map[string]string{producerIDExpiration: "a day"}, 0},
		"not a time":            {map[string]string{producerIDExpiration: "-1"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(b1)
				s.on(describeConfigs, func(string, kmsg.Request) kmsg.Response { return configs(0, want.values) })
				c := s.start(t, Config{}, "one:9092")
				expiry, err := c.ProducerExpiry(within(t, time.Minute))
				if expiry != want.expiry || (err != nil) != (want.expiry == 0) || err != nil && !errors.Is(err, ErrCannotAsk) {
					t.Errorf("got %v, %v, want %v", expiry, err, want.expiry)
				}
				if n := len(s.dialed()); s.count(describeConfigs) != 1 || n != 1 {
					t.Errorf("asked %d times on %d connections", s.count(describeConfigs), n)
				}
			})
		})
	}
}

// A broker answers for itself alone, by its id: one reached by another name than
// it advertises is dialled by that one.
func TestProducerExpiryNamesTheBroker(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b2)
		s.set("bootstrap:9092", answers)
		var asked []string
		s.on(describeConfigs, func(addr string, req kmsg.Request) kmsg.Response {
			asked = append(asked, addr+" about "+req.(*kmsg.DescribeConfigsRequest).Resources[0].ResourceName)
			return configs(0, map[string]string{producerIDExpiration: "1000"})
		})
		c := s.start(t, Config{}, "bootstrap:9092")
		if expiry, err := c.ProducerExpiry(within(t, time.Minute)); err != nil || expiry != time.Second {
			t.Errorf("got %v, %v", expiry, err)
		}
		if len(asked) != 1 || asked[0] != b2.Addr()+" about 2" {
			t.Errorf("asked %v", asked)
		}
	})
}

// What is refused is not asked again, and a broker that hangs up not for ever.
func TestProducerExpiryIsNotForcedOutOfBrokers(t *testing.T) {
	for name, want := range map[string]struct {
		answer kmsg.Response // nil: hangs up
		times  int
	}{
		"not permitted":     {configs(kerr.ClusterAuthorizationFailed.Code, nil), 1},
		"not known":         {configs(kerr.InvalidRequest.Code, nil), 1},
		"it may pass":       {configs(kerr.RequestTimedOut.Code, nil), expiryAttempts},
		"the broker is cut": {nil, expiryAttempts},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScript(b1)
				s.on(describeConfigs, func(string, kmsg.Request) kmsg.Response { return want.answer })
				c := s.start(t, Config{}, "one:9092")
				if _, err := c.ProducerExpiry(within(t, time.Minute)); !errors.Is(err, ErrCannotAsk) || s.count(describeConfigs) != want.times {
					t.Errorf("got %v after %d requests", err, s.count(describeConfigs))
				}
			})
		})
	}
}

func TestProducerExpiryWaitsOutAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScript(b1)
		s.set("one:9092", refuses)
		s.on(describeConfigs, func(string, kmsg.Request) kmsg.Response {
			return configs(0, map[string]string{producerIDExpiration: "1000"})
		})
		c := s.start(t, Config{}, "one:9092")
		time.AfterFunc(time.Hour, func() { s.set("one:9092", answers) })
		if expiry, err := c.ProducerExpiry(t.Context()); err != nil || expiry != time.Second {
			t.Errorf("got %v, %v", expiry, err)
		}
	})
}
