package optiontext

import (
	"crypto/tls"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/ekaf-go/ekaf"
)

// Option is an option that text can give.
type Option struct {
	Name     string // in files
	PerTopic bool   // may be given for one topic
	Property string // Kafka's name of the same, "" if there is none
	read     func(text string) (ekaf.Option, error)
}

// Parse makes the option of a text, such as "20ms".
func (o Option) Parse(text string) (ekaf.Option, error) { return o.read(text) }

// Find looks an option up by its name in files. The error says what else sets it,
// if it cannot be given as text.
func Find(name string) (Option, error) {
	for _, o := range ekaf.OptionTable() {
		if Name(o.Name) != name {
			continue
		}
		if why := inCode[o.Name]; why != "" {
			return Option{}, errors.New(why)
		}
		return Option{Name: name, PerTopic: o.PerTopic, Property: o.Property, read: readers[o.Name]}, nil
	}
	return Option{}, errUnknown
}

var errUnknown = errors.New("no option has this name: ekaf help options lists them")

// Names lists the options that text can give; for a topic, those that may be
// given for one.
func Names(perTopic bool) (names []string) {
	for _, o := range ekaf.OptionTable() {
		if readers[o.Name] != nil && (o.PerTopic || !perTopic) {
			names = append(names, Name(o.Name))
		}
	}
	return names
}

// Name writes the name of an option as files have it: words in lower case, with
// hyphens between them.
func Name(option string) string {
	if option == "StatsD" {
		return "statsd" // one word
	}
	var b strings.Builder
	letters := []rune(option)
	for i, c := range letters {
		begins := unicode.IsUpper(c) && i > 0 &&
			(unicode.IsLower(letters[i-1]) || i+1 < len(letters) && unicode.IsLower(letters[i+1]))
		if begins {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

// inCode says of the options that are no text what is to be used.
var inCode = map[string]string{
	"SASL":          "it is set by properties: sasl.mechanism and those that go with it",
	"Dialer":        "it can be given in Go code only",
	"Logger":        "it can be given in Go code only",
	"OnEvent":       "it can be given in Go code only",
	"MassageBuffer": "it can be given in Go code only",
	"Topic":         "options of a topic stand under topics",
}

// readers has a row for each option of the table that text can give.
var readers = map[string]func(string) (ekaf.Option, error){
	"Brokers":         list(ekaf.Brokers),
	"ClientID":        word(ekaf.ClientID),
	"TLS":             readTLS,
	"TLSFiles":        readTLSFiles,
	"BufferBytes":     of(bytes, ekaf.BufferBytes),
	"BufferMessages":  of(count, ekaf.BufferMessages),
	"DialTimeout":     of(duration, ekaf.DialTimeout),
	"RequestTimeout":  of(duration, ekaf.RequestTimeout),
	"MetadataRefresh": of(duration, ekaf.MetadataRefresh),
	"Backoff":         readBackoff,
	"IdleTimeout":     of(duration, ekaf.IdleTimeout),
	"ConnectionsPer": of(oneOf(map[string]ekaf.ConnectionMode{
		"broker": ekaf.PerBroker, "worker": ekaf.PerWorker,
	}), ekaf.ConnectionsPer),
	"AutoCreateTopics":        of(boolean, ekaf.AutoCreateTopics),
	"BrokerVersion":           word(ekaf.BrokerVersion),
	"BootstrapTopics":         list(ekaf.BootstrapTopics),
	"StatsD":                  word(ekaf.StatsD),
	"Acks":                    of(oneOf(acks), ekaf.Acks),
	"Idempotence":             of(boolean, ekaf.Idempotence),
	"Linger":                  of(duration, ekaf.Linger),
	"BatchRecords":            of(small, ekaf.BatchRecords),
	"BatchBytes":              of(smallBytes, ekaf.BatchBytes),
	"PartitionBufferBytes":    of(bytes, ekaf.PartitionBufferBytes),
	"PartitionBufferMessages": of(count, ekaf.PartitionBufferMessages),
	"TopicBufferBytes":        of(bytes, ekaf.TopicBufferBytes),
	"TopicBufferMessages":     of(count, ekaf.TopicBufferMessages),
	"WhenFullAsync":           of(oneOf(policies), ekaf.WhenFullAsync),
	"WhenFullSync":            of(oneOf(policies), ekaf.WhenFullSync),
	"DeliveryTimeout":         of(duration, ekaf.DeliveryTimeout),
	"UnknownTopicTimeout":     of(duration, ekaf.UnknownTopicTimeout),
	"Compression":             readCompression,
	"Workers":                 of(small, ekaf.Workers),
	"WorkersMax":              of(small, ekaf.WorkersMax),
	"Strategy":                readStrategy,
	"OnUndecidable": of(oneOf(map[string]ekaf.UndecidablePolicy{
		"hold": ekaf.Hold, "resend": ekaf.Resend,
	}), ekaf.OnUndecidable),
}

var (
	acks     = map[string]ekaf.RequiredAcks{"all": ekaf.AcksAll, "-1": ekaf.AcksAll, "1": ekaf.AcksLeader, "0": ekaf.AcksNone}
	policies = map[string]ekaf.FullPolicy{
		"error": ekaf.Error, "block": ekaf.Block, "drop-oldest": ekaf.DropOldest, "drop-newest": ekaf.DropNewest,
	}
	codecs = map[string]ekaf.Codec{
		"none": ekaf.NoCompression, "gzip": ekaf.Gzip, "snappy": ekaf.Snappy, "lz4": ekaf.LZ4, "zstd": ekaf.Zstd,
	}
)

// of makes the reader of an option from that of its value.
func of[T any](value func(string) (T, error), option func(T) ekaf.Option) func(string) (ekaf.Option, error) {
	return func(text string) (ekaf.Option, error) {
		v, err := value(strings.TrimSpace(text))
		if err != nil {
			return ekaf.Option{}, err
		}
		return option(v), nil
	}
}

func word(option func(string) ekaf.Option) func(string) (ekaf.Option, error) {
	return of(func(text string) (string, error) { return text, nil }, option)
}

func list(option func(...string) ekaf.Option) func(string) (ekaf.Option, error) {
	return of(func(text string) ([]string, error) { return split(text), nil }, func(l []string) ekaf.Option { return option(l...) })
}

// split takes a list apart whose members are separated by commas.
func split(text string) (members []string) {
	for m := range strings.SplitSeq(text, ",") {
		if m = strings.TrimSpace(m); m != "" {
			members = append(members, m)
		}
	}
	return members
}

func boolean(text string) (bool, error) {
	switch text {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, errors.New("it must be true or false")
}

func duration(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, errors.New("it must be a time with its unit, such as 20ms or 1m30s")
	}
	return d, nil
}

func count(text string) (int64, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, errors.New("it must be a whole number")
	}
	return n, nil
}

func small(text string) (int, error) {
	n, err := count(text)
	if err == nil && (n > math.MaxInt32 || n < math.MinInt32) {
		err = fmt.Errorf("it must not be above %d", math.MaxInt32)
	}
	return int(n), err
}

// units of sizes, the longest endings first.
var units = []struct {
	name  string
	bytes int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1}, {"", 1}}

func bytes(text string) (int64, error) {
	for _, u := range units {
		number, found := strings.CutSuffix(text, u.name)
		if !found {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
		if err != nil || n > math.MaxInt64/u.bytes || n < math.MinInt64/u.bytes {
			break
		}
		return n * u.bytes, nil
	}
	return 0, errors.New("it must be a number of bytes, with or without a unit: 64MiB, 1MB, 1000000")
}

func smallBytes(text string) (int, error) {
	n, err := bytes(text)
	if err == nil && (n > math.MaxInt32 || n < math.MinInt32) {
		err = fmt.Errorf("it must not be above %d bytes", math.MaxInt32)
	}
	return int(n), err
}

func oneOf[T any](values map[string]T) func(string) (T, error) {
	return func(text string) (T, error) {
		v, ok := values[text]
		if !ok {
			var names []string
			for name := range values {
				names = append(names, name)
			}
			slices.Sort(names)
			return v, fmt.Errorf("it must be one of %s", strings.Join(names, ", "))
		}
		return v, nil
	}
}

func readTLS(text string) (ekaf.Option, error) {
	on, err := boolean(strings.TrimSpace(text))
	switch {
	case err != nil:
		return ekaf.Option{}, err
	case !on:
		return ekaf.Option{}, nil // nothing is asked for
	}
	return ekaf.TLS(&tls.Config{MinVersion: tls.VersionTLS12}), nil
}

func readTLSFiles(text string) (ekaf.Option, error) {
	switch files := split(text); len(files) {
	case 1:
		return ekaf.TLSFiles(files[0], "", ""), nil
	case 3:
		return ekaf.TLSFiles(files[0], files[1], files[2]), nil
	}
	return ekaf.Option{}, errors.New("it must be the file of the authorities, or that, the certificate's and the key's: [ca.pem, cert.pem, key.pem]")
}

func readBackoff(text string) (ekaf.Option, error) {
	least, most, both := strings.Cut(text, " to ")
	first, err := duration(strings.TrimSpace(least))
	second, errSecond := duration(strings.TrimSpace(most))
	if !both || err != nil || errSecond != nil {
		return ekaf.Option{}, errors.New("it must be two times, such as 50ms to 1s")
	}
	return ekaf.Backoff(first, second), nil
}

// readCompression takes a codec, or codec:level.
func readCompression(text string) (ekaf.Option, error) {
	name, level, levelled := strings.Cut(strings.TrimSpace(text), ":")
	codec, err := oneOf(codecs)(name)
	if err != nil || !levelled {
		return ekaf.Compression(codec), err
	}
	n, err := small(strings.TrimSpace(level))
	if err != nil {
		return ekaf.Option{}, errors.New("the level behind the colon must be a whole number, as in zstd:3")
	}
	return ekaf.CompressionLevel(codec, n), nil
}

// readStrategy takes one selector, or one for messages with keys and one for
// those without.
func readStrategy(text string) (ekaf.Option, error) {
	var selectors []ekaf.Selector
	for _, name := range split(text) {
		s, err := selector(name)
		if err != nil {
			return ekaf.Option{}, err
		}
		selectors = append(selectors, s)
	}
	if len(selectors) == 0 {
		return ekaf.Option{}, errSelector
	}
	return ekaf.Strategy(selectors...), nil
}

var errSelector = errors.New("it must be by-key, phash2, adaptive, random, sticky-round-robin:N or strict-round-robin, or one for messages with keys and one for those without")

func selector(name string) (ekaf.Selector, error) {
	name, number, numbered := strings.Cut(name, ":")
	switch {
	case numbered && name == "sticky-round-robin":
		n, err := small(number)
		return ekaf.StickyRoundRobin(n), err
	case numbered:
	case name == "by-key":
		return ekaf.ByKey(), nil
	case name == "phash2":
		return ekaf.Phash2(), nil
	case name == "adaptive":
		return ekaf.Adaptive(), nil
	case name == "random":
		return ekaf.Random(), nil
	case name == "strict-round-robin":
		return ekaf.StrictRoundRobin(), nil
	}
	return ekaf.Selector{}, errSelector
}
