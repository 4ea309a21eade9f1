package ekaf

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/sender"
)

// describe adds the sentinel of this package to a broker's error, so that
// errors.Is finds either.
func describe(code int16, err error) error {
	var sentinel error
	switch code {
	case kerr.MessageTooLarge.Code, kerr.RecordListTooLarge.Code:
		sentinel = ErrTooLarge
	case kerr.TopicAuthorizationFailed.Code, kerr.ClusterAuthorizationFailed.Code:
		sentinel = ErrNotPermitted
	case kerr.InvalidTopicException.Code:
		sentinel = ErrInvalidTopic
	case 0:
		switch {
		case errors.Is(err, sender.ErrHeaders):
			sentinel = ErrHeadersUnsupported
		case errors.Is(err, sender.ErrIdempotence):
			sentinel = ErrIdempotenceUnsupported
		}
	}
	if sentinel == nil || errors.Is(err, sentinel) {
		return err
	}
	return fmt.Errorf("%w: %w", sentinel, err)
}

// topicFault is what brokers answer for a topic as a whole.
func topicFault(err error) error {
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		switch k.Code {
		case kerr.UnknownTopicOrPartition.Code, kerr.UnknownTopicID.Code, kerr.LeaderNotAvailable.Code:
			return fmt.Errorf("%w: %w", ErrUnknownTopic, err)
		}
		return describe(k.Code, err)
	}
	return err
}

// identityFault is the error of messages that cannot have an id.
func identityFault(err error) (code int16, fault error) {
	if k, ok := errors.AsType[*kerr.Error](err); ok {
		code = k.Code
	}
	if code == kerr.ClusterAuthorizationFailed.Code || code == kerr.TransactionalIDAuthorizationFailed.Code {
		return code, errors.Join(ErrNotPermitted,
			errors.New("the cluster gives this principal no producer id: grant IdempotentWrite, or switch Idempotence off"), err)
	}
	if errors.Is(err, cluster.ErrCannotAsk) {
		return code, fmt.Errorf("%w: upgrade them to 0.11 or newer, or set Idempotence(false) (enable.idempotence=false), "+
			"whereupon a message that is sent again may be there twice: %w", ErrIdempotenceUnsupported, err)
	}
	return code, err
}
