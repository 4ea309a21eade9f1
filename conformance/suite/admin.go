package suite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// withAdmin runs do with an admin client that lives no longer than the call.
func withAdmin(addrs []string, opts []kgo.Opt, do func(*kadm.Client) error) error {
	client, err := kgo.NewClient(slices.Concat([]kgo.Opt{kgo.SeedBrokers(addrs...)}, opts)...)
	if err != nil {
		return fmt.Errorf("cannot make an admin client: %w", err)
	}
	defer client.Close()
	return do(kadm.NewClient(client))
}

// awaitWritable waits until the leader of each of a topic's partitions acts as
// such. Metadata names a new topic's leaders a moment before they know; until
// then they answer NOT_LEADER_OR_FOLLOWER, and with acks=0, where nobody hears
// the answer, what is sent is lost.
func awaitWritable(ctx context.Context, addrs []string, opts []kgo.Opt, topic string, partitions int) error {
	return withAdmin(addrs, opts, func(admin *kadm.Client) error {
		for {
			ends, err := admin.ListEndOffsets(ctx, topic)
			if err = errors.Join(err, ends.Error()); err == nil && len(ends[topic]) >= partitions {
				return nil
			}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-ctx.Done():
				return fmt.Errorf("the leaders of topic %s do not act (%w): %w", topic, err, ctx.Err())
			}
		}
	})
}
