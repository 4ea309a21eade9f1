package dashboard

import (
	"context"
	"errors"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/conn"
)

// advice is what to do about errors.
type advice struct {
	errs []error
	text string
}

// advices are looked through in order: the first row of which errors.Is finds an
// error decides.
var advices = []advice{
	{[]error{conn.ErrUnknownHost}, "The name does not resolve here. Check it, the DNS, and the brokers' advertised.listeners: clients are sent to what those say."},
	{[]error{conn.ErrRefused}, "Start the broker, or correct its port. Meanwhile messages wait in the buffer and are sent when it is back."},
	{[]error{conn.ErrUnreachable}, "Check the route and the firewalls between this machine and the broker. Messages wait in the buffer."},
	{[]error{conn.ErrAddress}, "Write brokers as host:port, separated by commas."},
	{[]error{conn.ErrHTTP}, "This port is a web server's. Give the port of Kafka's own listener, often 9092."},
	{[]error{conn.ErrNeedsTLS}, "Turn TLS on: --property security.protocol=SSL (or SASL_SSL)."},
	{[]error{conn.ErrNotTLS}, "Turn TLS off, or give the port of the broker's TLS listener."},
	{[]error{conn.ErrCertificateName}, "Connect by a name that the broker's certificate holds, or have one issued for this name."},
	{[]error{conn.ErrCertificateAuthority}, "Add the authority's certificate: --property ssl.ca.location=FILE."},
	{[]error{conn.ErrCertificateInvalid}, "Renew the broker's certificate, and check this machine's clock."},
	{[]error{conn.ErrClientCertificate}, "Give a client certificate and its key: ssl.certificate.location and ssl.key.location."},
	{[]error{conn.ErrTLS}, "Compare the TLS versions and ciphers of both sides; the error says what failed."},
	{[]error{conn.ErrNoApiVersions}, "Check that this is a Kafka listener, and whether it expects TLS. Brokers before 0.10 need broker.version.fallback."},
	{[]error{conn.ErrSASLRequired}, "The listener wants credentials: give sasl.mechanism, sasl.username and sasl.password."},
	{[]error{conn.ErrSASLNotEnabled}, "This listener takes no credentials: leave SASL out, or use the SASL listener's port."},
	{[]error{conn.ErrSASLClosed, kerr.SaslAuthenticationFailed}, "Check user name and password, and that the user exists for this mechanism on the brokers."},
	{[]error{conn.ErrProtocol}, "What answers is no Kafka broker, or something in between changes the bytes. Check the address and proxies."},
	{[]error{conn.ErrLost}, "Nothing, if it is rare: the batches are sent again, once each. If it comes often, look at the broker's log and at idle timeouts in between."},

	{[]error{ekaf.ErrFull}, "Kafka takes less than comes in. Bring Kafka back or make it faster; raise --buffer-bytes to bridge longer outages."},
	{[]error{ekaf.ErrDropped}, "The policy for a full buffer gave messages up. Raise the buffer, or choose the policy error or block."},
	{[]error{ekaf.ErrTimeout}, "The delivery timeout ended first. Raise delivery.timeout.ms, or see why the brokers are slow or away."},
	{[]error{ekaf.ErrUnknownTopic, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID}, "Create the topic, or correct its name. If brokers are to create it: auto.create.topics.enable."},
	{[]error{ekaf.ErrUnknownPartition}, "Leave the partition out, or give one that the topic has."},
	{[]error{ekaf.ErrInvalidTopic, kerr.InvalidTopicException}, "Topic names have 1 to 249 of the characters a-z A-Z 0-9 . _ -"},
	{[]error{ekaf.ErrTooLarge, kerr.MessageTooLarge, kerr.RecordListTooLarge}, "Send smaller messages, or raise max.message.bytes of the topic and max.request.size here."},
	{[]error{ekaf.ErrNotPermitted, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed}, "Grant this principal Write (and Describe) on the topic, and IdempotentWrite on the cluster before Kafka 2.8."},
	{[]error{ekaf.ErrUndecidable}, "Look in the topic whether the messages are there. OnUndecidable chooses between holding them and sending them again."},
	{[]error{ekaf.ErrWithdrawn}, "The caller's time was over before the message was sent. Give it more time, or do not wait for Kafka."},
	{[]error{ekaf.ErrHeadersUnsupported}, "Leave headers out, or upgrade the brokers to 0.11 or newer."},
	{[]error{ekaf.ErrIdempotenceUnsupported}, "Upgrade the brokers to 0.11 or newer, or set enable.idempotence=false."},
	{[]error{ekaf.ErrTryAgain}, "Try again: the topic's partitions are not known yet."},
	{[]error{ekaf.ErrClosed}, "The producer is ending. Send to another instance."},

	{[]error{kerr.NotLeaderForPartition, kerr.LeaderNotAvailable, kerr.FencedLeaderEpoch, kerr.UnknownLeaderEpoch}, "Nothing: a leader is moving, and the batch follows it. If it lasts, look whether the partition has a leader."},
	{[]error{kerr.NotEnoughReplicas, kerr.NotEnoughReplicasAfterAppend}, "Bring the missing replicas back: fewer are in sync than min.insync.replicas demands. The batches wait."},
	{[]error{kerr.RequestTimedOut}, "The followers are slow to copy. Look at their disks and network; the batch is sent again."},
	{[]error{kerr.KafkaStorageError}, "Look at the broker's disks. The batch is sent again when another replica leads."},
	{[]error{kerr.ThrottlingQuotaExceeded}, "The client's quota is used up. Raise it, or send less."},
	{[]error{kerr.InvalidTimestamp}, "Send times closer to now, or loosen message.timestamp.before.max.ms of the topic."},
	{[]error{kerr.InvalidRecord, kerr.PolicyViolation}, "The broker refuses the record itself: a compacted topic needs keys; a policy may need more. Its log says which."},
	{[]error{kerr.OutOfOrderSequenceNumber, kerr.UnknownProducerID, kerr.InvalidProducerEpoch, kerr.InvalidProducerIDMapping}, "Nothing: usual after a broker restart. The batches are sent again in order, or the log is asked."},
	{[]error{context.DeadlineExceeded, context.Canceled}, "The time for it was over. Look at the network and at the load of the brokers."},
}

// general is said of what is in no row.
const general = "It is tried again where that can help. docs/errors.md has each error and what becomes of the messages."

// adviceFor says what to do about an error.
func adviceFor(err error) string {
	for i := range advices {
		for _, known := range advices[i].errs {
			if errors.Is(err, known) {
				return advices[i].text
			}
		}
	}
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		return "The broker accepts connections and does not answer in time. Look at its load, and whether the port is Kafka's."
	}
	return general
}

// adviceOf is that for a reason as ekaf.Stats names it: the text of a sentinel,
// or the name of a Kafka error.
func adviceOf(reason string) string {
	for i := range advices {
		for _, known := range advices[i].errs {
			if k, ok := known.(*kerr.Error); ok && k.Message == reason || known.Error() == reason {
				return advices[i].text
			}
		}
	}
	return general
}
