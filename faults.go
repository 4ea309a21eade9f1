package ekaf

import (
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
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
