package properties

import "strings"

// use says what becomes of a known name.
type use uint8

const (
	used    use = iota // becomes an option, or part of one
	ignored            // exists in Kafka, means nothing here: a note says why
	refused            // asks for something that ekaf does not do: a fault
)

// known is what the table says of a name.
type known struct {
	// same is the name under which its value is kept; aliases share one.
	same   string
	use    use
	why    string
	secret bool
}

// names is the table of all known names.
var names = buildNames()

func buildNames() map[string]known {
	table := map[string]known{}
	for line := range strings.SplitSeq(strings.TrimSpace(usedNames), "\n") {
		list := strings.Fields(line)
		for _, name := range list {
			table[name] = known{same: list[0], secret: secretNames[list[0]]}
		}
	}
	for _, group := range ignoredNames {
		for _, name := range strings.Fields(group.names) {
			table[name] = known{same: name, use: ignored, why: group.why}
		}
	}
	for _, group := range refusedNames {
		for _, name := range strings.Fields(group.names) {
			table[name] = known{same: name, use: refused, why: group.why}
		}
	}
	return table
}

// usedNames: one thing a line, its aliases behind it.
const usedNames = `
bootstrap.servers metadata.broker.list
client.id
acks request.required.acks
enable.idempotence
linger.ms queue.buffering.max.ms
batch.size
batch.num.messages
buffer.memory
queue.buffering.max.kbytes
queue.buffering.max.messages
compression.type compression.codec
compression.level
compression.gzip.level
compression.lz4.level
compression.zstd.level
delivery.timeout.ms message.timeout.ms
request.timeout.ms
socket.timeout.ms
socket.connection.setup.timeout.ms
retry.backoff.ms
retry.backoff.max.ms
reconnect.backoff.ms
reconnect.backoff.max.ms
max.request.size message.max.bytes
metadata.max.age.ms
topic.metadata.refresh.interval.ms
topic.metadata.propagation.max.ms
allow.auto.create.topics
api.version.request
broker.version.fallback
connections.max.idle.ms
partitioner.class
partitioner
partitioner.ignore.keys
max.in.flight.requests.per.connection max.in.flight
security.protocol
sasl.mechanism sasl.mechanisms
sasl.jaas.config
sasl.username
sasl.password
sasl.kerberos.service.name
sasl.kerberos.principal
sasl.kerberos.keytab
sasl.oauthbearer.token
sasl.oauthbearer.token.endpoint.url
sasl.oauthbearer.client.id sasl.oauthbearer.client.credentials.client.id
sasl.oauthbearer.client.secret sasl.oauthbearer.client.credentials.client.secret
sasl.oauthbearer.scope
sasl.oauthbearer.extensions
sasl.oauthbearer.method
sasl.oauthbearer.config
enable.sasl.oauthbearer.unsecure.jwt
https.ca.location
aws.access.key.id
aws.secret.access.key
aws.session.token
ssl.ca.location
ssl.ca.pem
ssl.certificate.location
ssl.certificate.pem
ssl.key.location
ssl.key.pem
ssl.key.password
ssl.keystore.location
ssl.keystore.type
ssl.keystore.password
ssl.keystore.certificate.chain
ssl.keystore.key
ssl.truststore.location
ssl.truststore.type
ssl.truststore.password
ssl.truststore.certificates
ssl.endpoint.identification.algorithm
enable.ssl.certificate.verification
ssl.enabled.protocols
ssl.cipher.suites
`

var secretNames = map[string]bool{
	"sasl.jaas.config":               true,
	"sasl.password":                  true,
	"sasl.oauthbearer.token":         true,
	"sasl.oauthbearer.client.secret": true,
	"sasl.oauthbearer.config":        true,
	"aws.access.key.id":              true,
	"aws.secret.access.key":          true,
	"aws.session.token":              true,
	"ssl.key.pem":                    true,
	"ssl.key.password":               true,
	"ssl.keystore.key":               true,
	"ssl.keystore.password":          true,
	"ssl.truststore.password":        true,
	// an endpoint may carry user:password@
	"sasl.oauthbearer.token.endpoint.url": true,
}

type nameGroup struct{ names, why string }

var ignoredNames = []nameGroup{
	{"key.serializer value.serializer", "ekaf takes bytes, so there is nothing to serialize"},
	{"client.dns.lookup", "ekaf tries every address of a host name"},
	{"bootstrap.controllers", "ekaf speaks to brokers, not to controllers"},
	{"client.rack", "the rack of a client concerns consumers"},
	{"interceptor.classes interceptors plugin.library.paths", "Java classes and C libraries cannot be loaded here; see the hooks MassageBuffer and OnEvent"},
	{"metric.reporters metrics.num.samples metrics.recording.level metrics.sample.window.ms auto.include.jmx.reporter enable.metrics.push statistics.interval.ms", "ekaf has its own counters"},
	{"partitioner.adaptive.partitioning.enable partitioner.availability.timeout.ms sticky.partitioning.linger.ms", "the strategy Adaptive adapts by itself"},
	{"retries message.send.max.retries", "ekaf sends again until delivery.timeout.ms ends, and without one for ever"},
	{"max.block.ms", "here the command waits for room in the buffer, and in the library the context of a call bounds its wait"},
	{"metadata.max.idle.ms topic.metadata.refresh.fast.interval.ms topic.metadata.refresh.fast.cnt topic.metadata.refresh.sparse", "ekaf keeps the topics it writes to"},
	{"metadata.recovery.strategy metadata.recovery.rebootstrap.trigger.ms broker.address.ttl", "ekaf always asks the bootstrap brokers again when all others are gone"},
	{"receive.buffer.bytes send.buffer.bytes socket.send.buffer.bytes socket.receive.buffer.bytes socket.nagle.disable socket.keepalive.enable socket.max.fails socket.blocking.max.ms", "the operating system sizes socket buffers, and keep-alive and no-delay are on"},
	{"socket.connection.setup.timeout.max.ms reconnect.backoff.jitter.ms", "one attempt has one time limit, and jitter is always on"},
	{"receive.message.max.bytes message.copy.max.bytes", "answers are bounded already, and messages are always copied"},
	{"api.version.request.timeout.ms api.version.fallback.ms", "ekaf asks each broker what it speaks"},
	{"queue.buffering.backpressure.threshold queuing.strategy enable.gapless.guarantee delivery.report.only.error produce.offset.report", "it concerns the inside of librdkafka"},
	{"debug log_level log.queue log.thread.name log.connection.close enabled_events enable.random.seed internal.termination.signal builtin.features", "it concerns the inside of librdkafka"},
	{"sasl.kerberos.kinit.cmd sasl.kerberos.min.time.before.relogin sasl.kerberos.ticket.renew.jitter sasl.kerberos.ticket.renew.window.factor", "ekaf logs in to Kerberos itself, without kinit"},
	{"sasl.login.class sasl.login.callback.handler.class sasl.client.callback.handler.class sasl.oauthbearer.jwt.retriever.class sasl.oauthbearer.jwt.validator.class", "Java classes cannot be loaded here; the mechanism and its other properties decide"},
	{"sasl.login.connect.timeout.ms sasl.login.read.timeout.ms sasl.login.retry.backoff.max.ms sasl.login.retry.backoff.ms", "a log-in is bounded and repeated as a connection is"},
	{"sasl.login.refresh.buffer.seconds sasl.login.refresh.min.period.seconds sasl.login.refresh.window.factor sasl.login.refresh.window.jitter", "a token is asked for again when most of its life is over"},
	{"sasl.oauthbearer.expected.audience sasl.oauthbearer.expected.issuer sasl.oauthbearer.clock.skew.seconds sasl.oauthbearer.header.urlencode sasl.oauthbearer.scope.claim.name sasl.oauthbearer.sub.claim.name sasl.oauthbearer.jwks.endpoint.url sasl.oauthbearer.jwks.endpoint.refresh.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.ms sasl.oauthbearer.jwks.endpoint.retry.backoff.max.ms", "brokers check tokens, not producers"},
	{"ssl.protocol ssl.provider ssl.providers security.providers ssl.keymanager.algorithm ssl.trustmanager.algorithm ssl.secure.random.implementation ssl.curves.list ssl.sigalgs.list", "Go's own TLS is used"},
	{"transaction.timeout.ms transaction.two.phase.commit.enable", "ekaf has no transactions"},
	{"config.providers", "values are taken as they stand"},
	{"group.id group.instance.id group.protocol session.timeout.ms heartbeat.interval.ms max.poll.interval.ms max.poll.records auto.offset.reset enable.auto.commit auto.commit.interval.ms enable.auto.offset.store isolation.level fetch.min.bytes fetch.max.bytes fetch.max.wait.ms fetch.wait.max.ms max.partition.fetch.bytes fetch.message.max.bytes check.crcs exclude.internal.topics key.deserializer value.deserializer partition.assignment.strategy enable.partition.eof queued.min.messages queued.max.messages.kbytes", "it concerns consumers, and ekaf only produces"},
}

var refusedNames = []nameGroup{
	{"transactional.id", "ekaf has no transactions; idempotence is on without them"},
	{"ssl.crl.location", "certificate revocation lists are not supported, and to leave one out in silence would be unsafe"},
	{"ssl.engine.factory.class ssl.engine.location ssl.engine.id", "TLS engines cannot be loaded; name files with ssl.keystore.location and ssl.truststore.location"},
	{"topic.blacklist", "ekaf writes to the topics it is told to"},
	{"broker.address.family", "ekaf tries addresses of both families; name the brokers by address to choose one"},
}

// ignoredPrefixes are families of properties that share files with a client's.
var ignoredPrefixes = []nameGroup{
	{"schema.registry.", "ekaf uses no schema registry"},
	{"basic.auth.", "ekaf uses no schema registry"},
	{"bearer.auth.", "ekaf uses no schema registry"},
	{"confluent.", "it concerns Confluent's own clients"},
}

// lookUp finds a name. kcat's prefixes topic. and default.topic. are accepted.
func lookUp(name string) (known, bool) {
	if k, ok := names[name]; ok {
		return k, true
	}
	for _, prefix := range []string{"default.topic.", "topic."} {
		if rest, found := strings.CutPrefix(name, prefix); found {
			k, ok := names[rest]
			return k, ok
		}
	}
	for _, group := range ignoredPrefixes {
		if strings.HasPrefix(name, group.names) {
			return known{same: name, use: ignored, why: group.why}, true
		}
	}
	return known{}, false
}

// Names lists every name that becomes an option, for shell completion.
func Names() []string {
	var list []string
	for line := range strings.SplitSeq(strings.TrimSpace(usedNames), "\n") {
		list = append(list, strings.Fields(line)...)
	}
	return list
}
