// Package signup is code under test: it publishes an event through a producer
// that it is given. Its test runs it against an embedded broker.
package signup

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ekaf-go/ekaf"
)

// Signups is a service that tells the world of new users.
type Signups struct{ Producer *ekaf.Producer }

// Register tells of a user, and returns once Kafka has it.
func (s *Signups) Register(ctx context.Context, user string) error {
	event, err := json.Marshal(map[string]string{"event": "signup", "user": user})
	if err != nil {
		return err
	}
	if _, err := s.Producer.ProduceSync(ctx, "events", ekaf.KeyValue(user, string(event))); err != nil {
		return fmt.Errorf("cannot publish the signup of %s: %w", user, err)
	}
	return nil
}
