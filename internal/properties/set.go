package properties

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"

	"github.com/ekaf-go/ekaf"
)

// Source ranks where a property came from: a higher one wins over a lower.
type Source uint8

// The sources, from the weakest.
const (
	FromFile    Source = iota
	FromFlag           // -X name=value
	FromCommand        // a flag of the command's own, such as --brokers
)

// Set collects properties. The zero value is ready. It is not safe for
// concurrent use.
type Set struct {
	entries []entry
	faults  []error
}

type entry struct {
	name, value string
	where       string // "-X", "client.properties:3", "--brokers"
	source      Source
}

// Add adds one property; where names its origin in errors and notes. Of two
// values under one name the later wins, unless the earlier's source ranks higher.
func (s *Set) Add(source Source, where, name, value string) {
	s.entries = append(s.entries, entry{strings.TrimSpace(name), value, where, source})
}

// AddFlag adds the argument of -X, name=value.
func (s *Set) AddFlag(argument string) {
	name, value, found := strings.Cut(argument, "=")
	if !found || strings.TrimSpace(name) == "" {
		// the argument may be a password: it is not quoted
		s.faults = append(s.faults, errors.New("-X needs name=value, for example -X linger.ms=5"))
		return
	}
	s.Add(FromFlag, "-X", name, strings.TrimSpace(value))
}

// AddFile adds the properties of a file. A fault of the file is kept, and
// reported with all others by Config.
func (s *Set) AddFile(path string) {
	list, err := ReadFile(path)
	if err != nil {
		s.faults = append(s.faults, err)
		return
	}
	for _, p := range list {
		s.Add(FromFile, fmt.Sprintf("%s:%d", path, p.Line), p.Name, p.Value)
	}
}

// Lacks says that a property is not there, neither under this name nor under
// another of its names, and that no fault may have hidden it.
func (s *Set) Lacks(name string) bool {
	return len(s.faults) == 0 && !slices.ContainsFunc(s.entries, func(e entry) bool {
		k, ok := lookUp(e.name)
		return !ok || k.same == name
	})
}

// Config is what a set of properties comes to.
type Config struct {
	// Options go to ekaf.New.
	Options []ekaf.Option
	// Brokers, ClientID, TLS and Mechanism are among Options too; admin requests need them alone.
	Brokers   []string
	ClientID  string
	TLS       *tls.Config
	Mechanism sasl.Mechanism
	// DialTimeout and RequestTimeout are 0 where no property sets them.
	DialTimeout    time.Duration
	RequestTimeout time.Duration
	// BrokerVersion is among Options too; empty: brokers are asked.
	BrokerVersion string
	// MaxMessageBytes is the limit of a batch, and so of a message: max.request.size or the default.
	MaxMessageBytes int
	// Linger: linger.ms is among the properties.
	Linger bool
	// Notes say which properties were ignored and why, a line each.
	Notes []string
}

// Config resolves names and values. The error, if any, is an *ekaf.ConfigError
// that lists every fault. Files named by properties are read here once, so that
// a wrong path or password shows at the start.
func (s *Set) Config() (*Config, error) {
	v := s.resolve()
	c := &Config{MaxMessageBytes: defaultMessageBytes}
	v.basics(c)
	v.batching(c)
	v.timing(c)
	v.strategy(c)
	v.security(c)
	c.Notes = v.notes
	if len(v.faults) > 0 {
		return nil, &ekaf.ConfigError{Faults: v.faults}
	}
	return c, nil
}

// values are the properties by canonical name, with the faults and notes found.
type values struct {
	by     map[string]entry
	faults []error
	notes  []string
}

func (s *Set) resolve() *values {
	v := &values{by: map[string]entry{}, faults: slices.Clone(s.faults)}
	noted := map[string]bool{}
	for _, e := range s.entries {
		k, ok := lookUp(e.name)
		switch {
		case !ok:
			v.unknown(e)
		case k.use == refused && e.value != "":
			v.fault(e, "%s", k.why)
		case k.use == used:
			v.keep(k, e)
		case k.use == ignored && !noted[e.name]:
			noted[e.name] = true
			v.note(e, "ignored: %s", k.why)
		}
	}
	return v
}

func (v *values) keep(k known, e entry) {
	old, there := v.by[k.same]
	switch {
	case !there, e.source > old.source, e.source == old.source && e.name == old.name:
		v.by[k.same] = e
	case e.source == old.source && e.value != old.value:
		v.fault(e, "it contradicts %s (%s), which is another name of the same thing: keep one of them", old.name, old.where)
	}
}

func (v *values) unknown(e entry) {
	if near := Nearest(e.name, maps.Keys(names)); near != "" {
		v.fault(e, "no property has this name: did you mean %s?", near)
		return
	}
	v.fault(e, "no property of Kafka's producer or of librdkafka has this name: remove it")
}

// fault and note never print a value; what is safe to print the caller puts into
// the text itself.
func (v *values) fault(e entry, format string, args ...any) {
	v.faults = append(v.faults, fmt.Errorf("%s (%s): %w", e.name, e.where, fmt.Errorf(format, args...)))
}

func (v *values) note(e entry, format string, args ...any) {
	v.notes = append(v.notes, fmt.Sprintf("%s (%s): ", e.name, e.where)+fmt.Sprintf(format, args...))
}

// take gives a property, if it is there and not empty: in Kafka's files an
// empty value stands for the default.
func (v *values) take(name string) (entry, bool) {
	e, ok := v.by[name]
	return e, ok && e.value != ""
}

func (v *values) text(name string) string { return v.by[name].value }
