package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// variable is the environment variable of a flag: --ack-log is EKAF_ACK_LOG.
func variable(flag string) string {
	return "EKAF_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromEnvironment sets the flags that were not given from their variables. A
// flag that may be repeated takes one value a line. The error lists every fault.
func fromEnvironment(flags *pflag.FlagSet) error {
	var faults faultList
	flags.VisitAll(func(f *pflag.Flag) {
		text, given := os.LookupEnv(variable(f.Name))
		if f.Changed || !given || !hasVariable(f) {
			return
		}
		values := []string{text}
		if _, many := f.Value.(pflag.SliceValue); many {
			values = strings.Split(strings.TrimSpace(text), "\n")
		}
		for _, value := range values {
			if err := flags.Set(f.Name, value); err != nil {
				// the value may be a secret, and pflag's error quotes it
				faults.keep(fmt.Errorf("the environment variable %s does not hold a value for --%s (%s)", variable(f.Name), f.Name, f.Value.Type()))
				return
			}
		}
	})
	return faults.misuse()
}

// linewise says how the variable of a flag that may be repeated holds its values.
func linewise(f *pflag.Flag) string {
	if _, many := f.Value.(pflag.SliceValue); many {
		return ", one a line"
	}
	return ""
}

func hasVariable(f *pflag.Flag) bool { return f.Name != "help" && f.Name != "version" && !f.Hidden }

// nameEnvironment writes the variables into the help of all flags.
func nameEnvironment(cmd *cobra.Command) {
	for _, flags := range []*pflag.FlagSet{cmd.LocalFlags(), cmd.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if name := " [" + variable(f.Name) + linewise(f) + "]"; hasVariable(f) && !strings.HasSuffix(f.Usage, name) {
				f.Usage += name
			}
		})
	}
	for _, child := range cmd.Commands() {
		if child.Name() != "completion" {
			nameEnvironment(child)
		}
	}
}
