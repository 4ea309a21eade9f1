package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/cluster"
	"github.com/ekaf-go/ekaf/internal/conn"
	"github.com/ekaf-go/ekaf/internal/properties"
)

// connection holds the flags that say how to reach a cluster.
type connection struct {
	brokers  string
	config   []string
	property []string
}

func (c *connection) flags(flags *pflag.FlagSet) {
	flags.StringVarP(&c.brokers, "brokers", "b", "", "bootstrap brokers, `HOST:PORT[,...]`")
	flags.StringArrayVar(&c.config, "config", nil, "`FILE` of Kafka client properties, Java's syntax; a file named *.conf is read as kcat reads it")
	flags.StringArrayVarP(&c.property, "property", "X", nil, "a Kafka or librdkafka client property, `NAME=VALUE`; may be repeated")
}

// properties gathers the flags; what the command line says itself wins over -X,
// and -X over files.
func (c *connection) properties() *properties.Set {
	set := &properties.Set{}
	for _, path := range c.config {
		set.AddFile(path)
	}
	for _, p := range c.property {
		set.AddFlag(p)
	}
	if c.brokers != "" {
		set.Add(properties.FromCommand, "--brokers", "bootstrap.servers", c.brokers)
	}
	return set
}

var errNoBroker = errors.New("no broker is named: give --brokers HOST:PORT, or bootstrap.servers with -X or --config")

// resolve gives the configuration, and prints its notes. It must name brokers.
func (c *connection) resolve(cmd *cobra.Command, set *properties.Set) (*properties.Config, error) {
	config, err := c.settle(cmd, set)
	switch {
	case err != nil && set.Lacks("bootstrap.servers"):
		return nil, misuse{errors.Join(err, errNoBroker)}
	case err == nil && len(config.Brokers) == 0:
		return nil, misuse{errNoBroker}
	}
	return config, err
}

// settle gives the configuration, and prints its notes.
func (c *connection) settle(cmd *cobra.Command, set *properties.Set) (*properties.Config, error) {
	config, err := set.Config()
	if err != nil {
		return nil, misuse{err}
	}
	for _, note := range config.Notes {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s\n", note)
	}
	return config, nil
}

// unsettled stands for a configuration that has faults, so that those of a
// command's other flags can be found too. Nobody connects to its broker.
func unsettled() *properties.Config {
	return &properties.Config{Options: []ekaf.Option{ekaf.Brokers("unsettled.invalid:9092")}}
}

// dialCluster makes a cluster for admin requests. Nothing is connected yet.
func dialCluster(config *properties.Config) *cluster.Cluster {
	settings := conn.Config{
		ClientID:       config.ClientID,
		TLS:            config.TLS,
		DialTimeout:    config.DialTimeout,
		RequestTimeout: config.RequestTimeout,
	}
	settings.AssumeVersions, _ = conn.Assumed(config.BrokerVersion) // the properties' reader has checked it
	if settings.ClientID == "" {
		settings.ClientID = "ekaf"
	}
	if config.Mechanism != nil {
		settings.SASL = func(context.Context) (sasl.Mechanism, error) { return config.Mechanism, nil }
	}
	return cluster.New(cluster.Config{Seeds: config.Brokers, Conn: settings, BackoffMin: 50 * time.Millisecond, BackoffMax: time.Second})
}
