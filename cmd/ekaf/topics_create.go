package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/cluster"
)

type topicsCreate struct {
	partitions  int32
	replication int16
	configs     []string
	ifMissing   bool
}

func newTopicsCreate(t *topics) *cobra.Command {
	o := &topicsCreate{}
	cmd := &cobra.Command{
		Use:   "create TOPIC...",
		Short: "Create topics",
		Example: `  ekaf topics create events --partitions 12 --replication-factor 3 --brokers kafka:9092
  ekaf topics create users --topic-config cleanup.policy=compact --if-not-exists --brokers kafka:9092`,
		Args: cobra.MinimumNArgs(1),
		RunE: t.with(o.run),
	}
	flags := cmd.Flags()
	flags.Int32Var(&o.partitions, "partitions", -1, "number of `PARTITIONS`; -1: the cluster's default")
	flags.Int16Var(&o.replication, "replication-factor", -1, "number of `REPLICAS`; -1: the cluster's default")
	flags.StringArrayVar(&o.configs, "topic-config", nil, "a topic configuration, `NAME=VALUE`; may be repeated")
	flags.BoolVar(&o.ifMissing, "if-not-exists", false, "do not fail for a topic that exists already")
	return cmd
}

func (o *topicsCreate) run(ctx context.Context, c *cluster.Cluster, cmd *cobra.Command, args []string) error {
	request, err := o.request(args)
	if err != nil {
		return err
	}
	answer, err := ask[*kmsg.CreateTopicsResponse](ctx, c, cluster.Controller, request)
	if err != nil {
		return err
	}
	var faults []error
	for _, topic := range answer.Topics {
		err := codeError(topic.ErrorCode, topic.ErrorMessage)
		switch {
		case err == nil:
			fmt.Fprintf(cmd.OutOrStdout(), "%s created\n", topic.Topic)
		case errors.Is(err, kerr.TopicAlreadyExists) && o.ifMissing:
			fmt.Fprintf(cmd.OutOrStdout(), "%s exists\n", topic.Topic)
		default:
			faults = append(faults, fmt.Errorf("cannot create %s: %w", topic.Topic, err))
		}
	}
	return errors.Join(faults...)
}

func (o *topicsCreate) request(names []string) (*kmsg.CreateTopicsRequest, error) {
	var configs []kmsg.CreateTopicsRequestTopicConfig
	for _, pair := range o.configs {
		name, value, found := strings.Cut(pair, "=")
		if !found || name == "" {
			return nil, misused("--topic-config must be NAME=VALUE, not %q", pair)
		}
		config := kmsg.NewCreateTopicsRequestTopicConfig()
		config.Name, config.Value = name, &value
		configs = append(configs, config)
	}
	if o.partitions == 0 || o.partitions < -1 || o.replication == 0 || o.replication < -1 {
		return nil, misused("--partitions and --replication-factor must be 1 or more, or -1 for the cluster's default")
	}
	request := kmsg.NewPtrCreateTopicsRequest()
	request.TimeoutMillis = 30_000
	for _, name := range names {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor, topic.Configs = name, o.partitions, o.replication, configs
		request.Topics = append(request.Topics, topic)
	}
	return request, nil
}
