package ekaf

import (
	"errors"
	"fmt"
	"net"
	"sort"
	"strconv"
	"strings"
	"unicode"

	"github.com/ekaf-go/ekaf/internal/batch"
	"github.com/ekaf-go/ekaf/internal/conn"
)

// newSettings applies the options and checks them all.
func newSettings(options []Option) (*settings, error) {
	s := defaultSettings()
	for _, o := range options {
		switch {
		case o.producer != nil:
			o.producer(s)
		case o.topic != nil:
			o.topic(&s.topic)
		}
	}
	s.checkProducer()
	s.checkTopic("", &s.topic)
	names := make([]string, 0, len(s.topics))
	for name := range s.topics {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		s.checkOverrides(name)
	}
	if len(s.faults) > 0 {
		return nil, &ConfigError{Faults: s.faults}
	}
	return s, nil
}

func (s *settings) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Errorf(format, args...))
}

func (s *settings) checkProducer() {
	if len(s.brokers) == 0 {
		s.faults = append(s.faults, errors.New("Brokers: at least one host:port is needed"))
	}
	s.checkAccess()
	for i, addr := range s.brokers {
		checked, err := checkBroker(addr)
		if err != nil {
			s.fault("Brokers: %w", err)
			continue
		}
		s.brokers[i] = checked
	}
	if s.bufferBytes < 0 || s.bufferMessages < 0 {
		s.fault("BufferBytes and BufferMessages: a limit is not negative (0: none)")
	}
	if s.dialTimeout <= 0 {
		s.fault("DialTimeout: %v is not a time to wait", s.dialTimeout)
	}
	if s.requestTimeout <= 0 {
		s.fault("RequestTimeout: %v is not a time to wait", s.requestTimeout)
	}
	if s.metadataRefresh <= 0 {
		s.fault("MetadataRefresh: %v is not a time to wait", s.metadataRefresh)
	}
	if s.backoffMin <= 0 || s.backoffMax < s.backoffMin {
		s.fault("Backoff: the least pause must be above 0 and the most not below it, not %v and %v", s.backoffMin, s.backoffMax)
	}
	if s.idleTimeout < 0 {
		s.fault("IdleTimeout: %v is negative", s.idleTimeout)
	}
	if s.connectionsPer > PerWorker {
		s.fault("ConnectionsPer: there is no %v", s.connectionsPer)
	}
	if _, err := conn.Assumed(s.brokerVersion); err != nil {
		s.fault("BrokerVersion: %w", err)
	}
	for _, name := range s.bootstrapTopics {
		if err := checkTopicName(name); err != nil {
			s.fault("BootstrapTopics: %w", err)
		}
	}
	if s.statsd != "" {
		if host, port, err := net.SplitHostPort(s.statsd); err != nil || !isHost(host) || !isPort(port) {
			s.fault("StatsD: %q is not host:port", s.statsd)
		}
	}
}

// checkAccess refuses what would leave connections less guarded than they were
// meant to be: whoever gives TLS a nil would send the password of SASL in the clear.
func (s *settings) checkAccess() {
	switch {
	case s.tlsGiven && s.tlsFiles:
		s.fault("TLS and TLSFiles: only one of them would hold: drop the other")
	case s.tlsGiven && s.tls == nil:
		s.fault("TLS: the configuration is nil: give &tls.Config{}, or drop the option to speak plaintext")
	}
	if s.saslGiven && s.sasl.mechanism == nil {
		missing := s.sasl.missing
		if missing == "" {
			missing = "there is no mechanism in it: take one of the functions that give an Auth, or drop the option"
		}
		s.fault("SASL: %s", missing)
	}
}

func isPort(port string) bool {
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && n > 0
}

// isHost leaves out what no name and no address holds, such as a list of several.
func isHost(host string) bool {
	return !strings.ContainsFunc(host, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || strings.ContainsRune(",;/\\@?#", r)
	})
}

// checkBroker reads host:port; a host alone means Kafka's usual port. Space around
// it is what a list leaves that was cut at its commas.
func checkBroker(addr string) (string, error) {
	addr = strings.TrimSpace(addr)
	if strings.Contains(addr, "://") {
		return "", fmt.Errorf("%q: give host:port, without a scheme", addr)
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		bare := strings.Trim(addr, "[]")
		if addr == "" || !isHost(bare) || (strings.Contains(bare, ":") && net.ParseIP(bare) == nil) {
			return "", fmt.Errorf("%q is not host:port", addr)
		}
		return net.JoinHostPort(bare, "9092"), nil
	}
	if host == "" || !isHost(host) || !isPort(port) {
		return "", fmt.Errorf("%q is not host:port", addr)
	}
	return addr, nil
}

// checkOverrides checks the options of one topic, those it inherits included.
func (s *settings) checkOverrides(name string) {
	if err := checkTopicName(name); err != nil {
		s.fault("Topic %q: %w", name, err)
	}
	for _, o := range s.topics[name] {
		if o.topic == nil {
			s.fault("Topic %q: %s is for the whole producer and cannot be given for one topic", name, o.name)
		}
	}
	s.checkTopic(fmt.Sprintf("Topic %q: ", name), s.forTopic(name))
}

// forTopic gives a topic's settings: the defaults with its own options on top.
func (s *settings) forTopic(name string) *topicSettings {
	t := s.topic
	t.idempotenceAsked = false // for all topics: this one's own acks may switch it off
	for _, o := range s.topics[name] {
		if o.topic != nil {
			o.topic(&t)
		}
	}
	return &t
}

// smallestBatch is the least BatchBytes that makes sense: a header and a record.
const smallestBatch = 512

func (s *settings) checkTopic(where string, t *topicSettings) {
	bad := func(format string, args ...any) { s.fault(where+format, args...) }
	if t.acks != AcksAll && t.acks != AcksLeader && t.acks != AcksNone {
		bad("Acks: %d is not AcksAll, AcksLeader or AcksNone", int16(t.acks))
	}
	s.checkIdempotence(t, bad)
	if t.linger < 0 || t.deliveryTimeout < 0 || t.unknownTopicTimeout < 0 {
		bad("Linger, DeliveryTimeout and UnknownTopicTimeout: a time is not negative")
	}
	if t.deliveryTimeout > 0 && t.deliveryTimeout < t.linger {
		bad("DeliveryTimeout %v ends before Linger %v lets a batch go", t.deliveryTimeout, t.linger)
	}
	if t.batchRecords < 0 {
		bad("BatchRecords: %d is negative (0: no limit)", t.batchRecords)
	}
	if t.batchBytes < smallestBatch || t.batchBytes > 1<<30 {
		bad("BatchBytes: %d is not between %d and 1 GiB", t.batchBytes, smallestBatch)
	}
	if t.partitionBytes < 0 || t.partitionMessages < 0 || t.topicBytes < 0 || t.topicMessages < 0 {
		bad("PartitionBuffer… and TopicBuffer…: a limit is not negative (0: none)")
	}
	for _, buffer := range []int64{t.partitionBytes, t.topicBytes, s.bufferBytes} {
		if buffer > 0 && buffer < int64(t.batchBytes) {
			bad("a buffer of %d bytes is smaller than BatchBytes, %d", buffer, t.batchBytes)
			break
		}
	}
	if t.whenFullAsync > DropNewest || t.whenFullSync > DropNewest {
		bad("WhenFull: there is no such policy")
	}
	if t.workers < 1 || t.workers > 1000 || t.workersMax < 0 || t.workersMax > 1000 {
		bad("Workers and WorkersMax: from 1 to 1000, not %d and %d", t.workers, t.workersMax)
	}
	if t.workersMax > 0 && t.workersMax < t.workers {
		bad("WorkersMax %d is below Workers %d", t.workersMax, t.workers)
	}
	if err := batch.CheckLevel(t.codec, t.level); err != nil {
		bad("Compression: %w", err)
	}
	if t.undecidable > Resend {
		bad("OnUndecidable: there is no %v", t.undecidable)
	}
	if t.keyed.name == "invalid" {
		bad("Strategy: one or two strategies are needed")
	}
	if t.unkeyed.byKey() {
		bad("Strategy: %s looks at keys and cannot serve messages without one", t.unkeyed)
	}
	if t.keyed.kind == selectCustom && t.keyed.pick == nil {
		bad("Strategy: Custom needs a function")
	}
}

// brokersAssumed: BrokerVersion names a release that there was, all of which are older than idempotence.
func (s *settings) brokersAssumed() bool {
	versions, err := conn.Assumed(s.brokerVersion)
	return err == nil && versions != nil
}

// checkIdempotence refuses what could only disappoint: it asked for with other
// acks, and it, by default or not, where the brokers are known to have none, so
// that every message would fail.
func (s *settings) checkIdempotence(t *topicSettings, bad func(format string, args ...any)) {
	switch {
	case t.idempotenceAsked && t.acks != AcksAll:
		bad("Idempotence and Acks: idempotence needs acks all, not %v: drop one of the two", t.acks)
	case t.idempotence && t.acks == AcksAll && s.brokersAssumed():
		bad("Idempotence and BrokerVersion: brokers of release %s have no idempotence, which is on by default: "+
			"add Idempotence(false) (enable.idempotence=false)", s.brokerVersion)
	}
}
