package optiontext

import (
	"context"
	"reflect"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
)

// TestEveryOptionHasText holds the readers against the table of options.
func TestEveryOptionHasText(t *testing.T) {
	names := map[string]bool{}
	for _, o := range ekaf.OptionTable() {
		names[o.Name] = true
		if (readers[o.Name] == nil) == (inCode[o.Name] == "") {
			t.Errorf("%s: either text gives it, or something says what does", o.Name)
		}
	}
	for name := range readers {
		if !names[name] {
			t.Errorf("%s is no option", name)
		}
	}
}

// given has a value for each option, and what a producer then says of it.
var given = map[string][2]string{
	"brokers": {"a:1, b:2", "a:1,b:2"}, "client-id": {"me", "me"}, "tls": {"true", "on"}, "buffer-bytes": {"3MiB", "3 MiB"},
	"buffer-messages": {"7", "7"}, "dial-timeout": {"3s", "3s"}, "request-timeout": {"4s", "4s"}, "metadata-refresh": {"5s", "5s"},
	"backoff": {"1ms to 2s", "1ms to 2s"}, "idle-timeout": {"6s", "6s"}, "connections-per": {"worker", "worker"},
	"auto-create-topics": {"false", "false"}, "broker-version": {"", "none"}, "bootstrap-topics": {"x,y", "x,y"},
	"statsd": {"localhost:8125", "localhost:8125"}, "acks": {"all", "all"}, "idempotence": {"false", "false"}, "linger": {"20ms", "20ms"},
	"batch-records": {"9", "9"}, "batch-bytes": {"2MB", "2000000"}, "partition-buffer-bytes": {"4096KiB", "4 MiB"},
	"partition-buffer-messages": {"8", "8"}, "topic-buffer-bytes": {"5GiB", "5120 MiB"}, "topic-buffer-messages": {"6", "6"},
	"when-full-async": {"drop-oldest", "drop-oldest"}, "when-full-sync": {"error", "error"}, "delivery-timeout": {"1m30s", "1m30s"},
	"unknown-topic-timeout": {"0s", "none"}, "compression": {"zstd:3", "zstd"}, "workers": {"2", "2"}, "workers-max": {"3", "3"},
	"strategy": {"phash2, random", "keyed: Phash2, unkeyed: Random"}, "on-undecidable": {"resend", "resend"},
	"tls-files": {"no-such-file", ""},
}

func TestGivenTextIsTheOption(t *testing.T) {
	var options []ekaf.Option
	for _, name := range Names(false) {
		o, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		value, ok := given[name]
		if !ok {
			t.Errorf("%s is not tried", name)
		}
		made, err := o.Parse(value[0])
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "tls-files" {
			options = append(options, made)
		}
	}
	p, err := ekaf.New(options...)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	defer p.Close(ctx)
	said := map[string]string{}
	for line := range strings.Lines(p.String()) {
		fields := strings.SplitN(strings.TrimSpace(line), " ", 2)
		said[Name(fields[0])] = strings.TrimSpace(fields[1])
	}
	for name, value := range given {
		if name != "tls-files" && said[name] != value[1] {
			t.Errorf("%s: %s is %q, want %q", name, value[0], said[name], value[1])
		}
	}
}

func TestMalformedValues(t *testing.T) {
	for name, values := range map[string][]string{
		"linger": {"20", "soon", ""}, "buffer-bytes": {"1 TB", "MiB", "99999999999GiB", "-99999999999GiB", "1.5MiB"}, "workers": {"two", "99999999999"},
		"batch-bytes": {"9GiB"}, "acks": {"2"}, "when-full-sync": {"wait"}, "backoff": {"1s", "1 to 2"}, "tls": {"yes"}, "tls-files": {"", "a,b"},
		"compression": {"brotli", "zstd:high"}, "strategy": {"", "by-key:2", "custom", "sticky-round-robin:x"}, "idempotence": {"1"}, "connections-per": {"pod"},
	} {
		o, err := Find(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, value := range values {
			if _, err := o.Parse(value); err == nil {
				t.Errorf("%s: %q is taken", name, value)
			}
		}
	}
	for _, name := range []string{"sasl", "logger", "topic", "nothing", "Linger"} {
		if _, err := Find(name); err == nil {
			t.Errorf("%s is an option", name)
		}
	}
}

// FuzzParse: every option's text gives an option or a fault.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"20ms", "1MiB", "9223372036854775807KiB", "-1", "a, b", "zstd 19", "50ms 1s", "bykey stickyroundrobin 5", "true", "", "1e9", "100000h"} {
		f.Add(seed)
	}
	var all []Option
	for _, name := range Names(false) {
		o, err := Find(name)
		if err != nil {
			f.Fatal(err)
		}
		all = append(all, o)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, o := range all {
			option, err := o.Parse(text)
			if err == nil && reflect.ValueOf(option).IsZero() {
				t.Errorf("%s of %q: no option and no fault", o.Name, text)
			}
		}
	})
}
