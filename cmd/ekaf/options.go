package main

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/ekaf-go/ekaf"
)

// newOptionsHelp is the help topic "options": it cannot be run, only read.
func newOptionsHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "The producer's options, their defaults and the properties that set them",
		Long: `The options of the producer, their defaults, and the client property of Kafka or
librdkafka that sets each on the command line, as in -X linger.ms=20.

` + optionsTable(),
	}
}

func optionsTable() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "OPTION\tDEFAULT\tPROPERTY\tWHAT IT DOES")
	for _, o := range ekaf.OptionTable() {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", o.Name, dash(o.Default), dash(o.Property), o.Doc)
	}
	_ = table.Flush() // a strings.Builder takes everything
	return strings.TrimRight(text.String(), "\n")
}

// optionDefaults is the table in short, for the help of a command that takes -X.
func optionDefaults() string {
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, o := range ekaf.OptionTable() {
		if o.Property != "" {
			fmt.Fprintf(table, "  %s\t%s\n", o.Property, dash(o.Default))
		}
	}
	_ = table.Flush() // a strings.Builder takes everything
	return "The properties that -X and --config set most often, and their defaults here\n(ekaf help options says what they do):\n" +
		strings.TrimRight(text.String(), "\n")
}

func dash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
