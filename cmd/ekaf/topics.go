package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/cluster"
)

// topics holds what the subcommands share.
type topics struct {
	connection connection
	timeout    time.Duration
}

func newTopics() *cobra.Command {
	t := &topics{}
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "List, describe and create topics",
		Args:  subcommand,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	t.connection.flags(cmd.PersistentFlags())
	cmd.PersistentFlags().DurationVar(&t.timeout, "timeout", 30*time.Second, "give up after this `TIME`")
	cmd.AddCommand(newTopicsList(t), newTopicsDescribe(t), newTopicsCreate(t))
	return cmd
}

// with runs a command against the cluster, within the timeout.
func (t *topics) with(do func(ctx context.Context, c *cluster.Cluster, cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return runs(func(cmd *cobra.Command, args []string) error {
		config, err := t.connection.resolve(cmd, t.connection.properties())
		if err != nil {
			return err
		}
		c := dialCluster(config)
		defer c.Close()
		ctx, stop := context.WithTimeout(cmd.Context(), t.timeout)
		defer stop()
		return do(ctx, c, cmd, args)
	})
}

// metadata asks for the topics named, or for all if names is nil.
func metadata(ctx context.Context, c *cluster.Cluster, names []string) (*kmsg.MetadataResponse, error) {
	request := kmsg.NewPtrMetadataRequest()
	if names != nil {
		request.Topics = []kmsg.MetadataRequestTopic{}
	}
	for _, name := range names {
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.Topics = append(request.Topics, topic)
	}
	return ask[*kmsg.MetadataResponse](ctx, c, cluster.AnyBroker, request)
}

// ask sends a request and gives its answer by type.
func ask[R kmsg.Response](ctx context.Context, c *cluster.Cluster, broker int32, request kmsg.Request) (R, error) {
	var none R
	answer, err := c.Do(ctx, broker, request)
	if err != nil {
		if ctx.Err() != nil && c.LastError() != nil {
			err = c.LastError() // why it took too long says more than that it did
		}
		return none, fmt.Errorf("cannot ask the cluster: %w", err)
	}
	r, ok := answer.(R)
	if !ok {
		return none, fmt.Errorf("cannot ask the cluster: it answered with a %T", answer)
	}
	return r, nil
}

func nameOf(topic kmsg.MetadataResponseTopic) string {
	if topic.Topic == nil {
		return ""
	}
	return *topic.Topic
}

// codeError puts Kafka's words, and the broker's own where it has some, to a code.
func codeError(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err != nil && message != nil && *message != "" {
		return fmt.Errorf("%w (%s)", err, *message)
	}
	return err
}
