package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/properties"
)

const rootLong = `ekaf publishes events to Apache Kafka. It never makes its caller wait for the
network, and does not lose what it accepted: brokers may be away at the start,
for a second or for a day.

Every flag has an environment variable, named beside it; the flag wins. That of
a flag that may be repeated holds one value a line.

Exit codes: 0 all delivered; 1 some not; 2 wrong usage.`

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "ekaf",
		Short: "Publish events to Apache Kafka, whatever the network does",
		Long:  rootLong,
		Example: `  ekaf demo                                             # see an outage survived, with Go alone
  tail -F app.log | ekaf produce --brokers kafka:9092 --topic logs
  ekaf topics list --brokers kafka:9092`,
		SilenceErrors:     true,
		SilenceUsage:      true,
		Args:              subcommand,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return fromEnvironment(cmd.Flags()) },
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.AddCommand(newProduce(), newServe(), newDev(), newDemo(), newBench(), newMock(), newTopics(), newVersion(), newOptionsHelp())
	root.SetFlagErrorFunc(suggestFlag)
	nameEnvironment(root)
	return root
}

// subcommand is for commands that only have subcommands: it names the one that was probably meant.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	err := fmt.Errorf("%s has no command %q", cmd.CommandPath(), args[0])
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
	}
	return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
}

// runs marks the errors of a command's own run as failures, except those of usage.
func runs(do func(cmd *cobra.Command, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		err := do(cmd, args)
		if err == nil {
			return nil
		}
		if _, own := errors.AsType[ended](err); own || isMisuse(err) {
			return err
		}
		return failure{err}
	}
}

// misuse is a wrong usage found by a command itself.
type misuse struct{ error }

func misused(format string, args ...any) error { return misuse{fmt.Errorf(format, args...)} }

func (m misuse) Unwrap() error { return m.error }

// faultList gathers the faults of a usage, so that all can be told at once.
type faultList []error

// keep adds an error, taken apart; nil adds nothing.
func (l *faultList) keep(err error) { *l = append(*l, flat(err)...) }

// misuse is the error of all faults, nil if there are none.
func (l faultList) misuse() error {
	switch len(l) {
	case 0:
		return nil
	case 1:
		return misuse{l[0]}
	}
	return misuse{&ekaf.ConfigError{Faults: l}}
}

func isMisuse(err error) bool {
	_, ok := errors.AsType[misuse](err)
	return ok
}

// suggestFlag names the flag that was probably meant.
func suggestFlag(cmd *cobra.Command, err error) error {
	unknown, ok := errors.AsType[*pflag.NotExistError](err)
	if !ok {
		return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
	}
	var flags []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { flags = append(flags, f.Name) })
	if near := properties.Nearest(unknown.GetSpecifiedName(), slices.Values(flags)); near != "" {
		return fmt.Errorf("%w: did you mean --%s?", err, near)
	}
	return fmt.Errorf("%w (see %s --help)", err, cmd.CommandPath())
}
