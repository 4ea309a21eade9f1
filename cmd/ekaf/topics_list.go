package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/ekaf-go/ekaf/internal/cluster"
)

func newTopicsList(t *topics) *cobra.Command {
	internal := false
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List the topics, with partitions and replicas",
		Example: "  ekaf topics list --brokers kafka:9092",
		Args:    cobra.NoArgs,
		RunE: t.with(func(ctx context.Context, c *cluster.Cluster, cmd *cobra.Command, _ []string) error {
			answer, err := metadata(ctx, c, nil)
			if err != nil {
				return err
			}
			return printTopics(cmd, answer.Topics, internal)
		}),
	}
	cmd.Flags().BoolVar(&internal, "internal", false, "list Kafka's internal topics too")
	return cmd
}

func printTopics(cmd *cobra.Command, list []kmsg.MetadataResponseTopic, internal bool) error {
	slices.SortFunc(list, func(a, b kmsg.MetadataResponseTopic) int { return strings.Compare(nameOf(a), nameOf(b)) })
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "TOPIC\tPARTITIONS\tREPLICAS\tLEADERLESS")
	for _, topic := range list {
		if topic.IsInternal && !internal {
			continue
		}
		replicas, leaderless := 0, 0
		for _, p := range topic.Partitions {
			replicas = max(replicas, len(p.Replicas))
			if p.Leader < 0 {
				leaderless++
			}
		}
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", nameOf(topic), len(topic.Partitions), replicas, leaderless)
	}
	return table.Flush()
}

// completeTopics offers the cluster's topics to the shell, if it answers at once.
func completeTopics(c *connection) cobra.CompletionFunc {
	return func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		if err := fromEnvironment(cmd.Flags()); err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		config, err := c.properties().Config()
		if err != nil || len(config.Brokers) == 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, stop := context.WithTimeout(context.Background(), 2*time.Second)
		defer stop()
		cl := dialCluster(config)
		defer cl.Close()
		answer, err := metadata(ctx, cl, nil)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for _, topic := range answer.Topics {
			if !topic.IsInternal {
				names = append(names, nameOf(topic))
			}
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	}
}
