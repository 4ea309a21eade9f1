package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/cluster"
)

func newTopicsDescribe(t *topics) *cobra.Command {
	return &cobra.Command{
		Use:               "describe TOPIC...",
		Short:             "Show the partitions of topics, and the configuration that differs from the default",
		Example:           "  ekaf topics describe events --brokers kafka:9092",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: completeTopics(&t.connection),
		RunE: t.with(func(ctx context.Context, c *cluster.Cluster, cmd *cobra.Command, args []string) error {
			answer, err := metadata(ctx, c, args)
			if err != nil {
				return err
			}
			configs := topicConfigs(ctx, c, args)
			var faults []error
			for _, topic := range answer.Topics {
				if err := codeError(topic.ErrorCode, nil); err != nil {
					faults = append(faults, fmt.Errorf("%s: %w", nameOf(topic), err))
					continue
				}
				if err := printTopic(cmd, topic, configs[nameOf(topic)]); err != nil {
					return err
				}
			}
			return errors.Join(faults...)
		}),
	}
}

func printTopic(cmd *cobra.Command, topic kmsg.MetadataResponseTopic, configs []string) error {
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "%s: %d partitions", nameOf(topic), len(topic.Partitions))
	if topic.TopicID != ([16]byte{}) {
		fmt.Fprintf(out, ", id %s", base64.RawURLEncoding.EncodeToString(topic.TopicID[:])) // as Kafka writes it
	}
	fmt.Fprintln(out)
	for _, line := range configs {
		fmt.Fprintf(out, "  %s\n", line)
	}
	slices.SortFunc(topic.Partitions, func(a, b kmsg.MetadataResponseTopicPartition) int { return int(a.Partition) - int(b.Partition) })
	table := tabwriter.NewWriter(out, 2, 0, 2, ' ', 0)
	fmt.Fprintln(table, "  PARTITION\tLEADER\tREPLICAS\tIN SYNC\tSTATE")
	for _, p := range topic.Partitions {
		state := "ok"
		if err := codeError(p.ErrorCode, nil); err != nil {
			state = err.Error()
		} else if len(p.ISR) < len(p.Replicas) {
			state = "under-replicated"
		}
		fmt.Fprintf(table, "  %d\t%d\t%v\t%v\t%s\n", p.Partition, p.Leader, p.Replicas, p.ISR, state)
	}
	return table.Flush()
}

// topicConfigs asks for what was set on the topics themselves. Who may describe
// a topic may not always read its configuration: then there is none to show.
func topicConfigs(ctx context.Context, c *cluster.Cluster, names []string) map[string][]string {
	request := kmsg.NewPtrDescribeConfigsRequest()
	for _, name := range names {
		resource := kmsg.NewDescribeConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, name
		request.Resources = append(request.Resources, resource)
	}
	configs := map[string][]string{}
	answer, err := ask[*kmsg.DescribeConfigsResponse](ctx, c, cluster.AnyBroker, request)
	if err != nil {
		return configs
	}
	for _, r := range answer.Resources {
		for _, entry := range r.Configs {
			if entry.Source == kmsg.ConfigSourceDynamicTopicConfig && entry.Value != nil && !entry.IsSensitive {
				configs[r.ResourceName] = append(configs[r.ResourceName], entry.Name+"="+*entry.Value)
			}
		}
		slices.Sort(configs[r.ResourceName])
	}
	return configs
}
