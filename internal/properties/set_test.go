package properties

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
)

// configOf reads -X style arguments.
func configOf(arguments ...string) (*Config, error) {
	var s Set
	for _, a := range arguments {
		s.AddFlag(a)
	}
	return s.Config()
}

// faultsOf gives the faults, each of which must mention no secret.
func faultsOf(t *testing.T, arguments ...string) []string {
	t.Helper()
	_, err := configOf(arguments...)
	if err == nil {
		return nil
	}
	all, ok := errors.AsType[*ekaf.ConfigError](err)
	if !ok {
		t.Fatalf("%q: the error is no ConfigError: %v", arguments, err)
	}
	var list []string
	for _, f := range all.Faults {
		if strings.Contains(f.Error(), "hunter2") {
			t.Errorf("a secret is in the fault: %v", f)
		}
		list = append(list, f.Error())
	}
	return list
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		arguments string
		want      string
	}{
		{"api.version.request=false broker.version.fallback=0.10.0", "0.9.0: leave it out"},
		{"linger.mss=5", "did you mean linger.ms?"},
		{"acsk=1", "did you mean acks?"},
		{"bootstrap.server=a:1", "did you mean bootstrap.servers?"},
		{"Linger.ms=5", "did you mean linger.ms?"},
		{"frobnicate.the.thing.now=5", "no property of Kafka's producer"},
		{"acks=2", "all, 1 or 0"},
		{"linger.ms=soon", "milliseconds"},
		{"linger.ms=-1", "milliseconds"},
		{"linger.ms=NaN", "milliseconds"},
		{"enable.idempotence=yes", "true or false"},
		{"enable.idempotence=true acks=1", "needs acks=all"},
		{"linger.ms=5 queue.buffering.max.ms=6", "another name of the same thing"},
		{"buffer.memory=5 queue.buffering.max.kbytes=6", "contradicts buffer.memory"},
		{"compression.type=brotli", "none, gzip, snappy, lz4 or zstd"},
		{"compression.type=gzip compression.level=10", "from 1 to 9"},
		{"max.in.flight.requests.per.connection=6", "1 to 5"},
		{"max.in.flight=0", "at least 1"},
		{"batch.num.messages=0", "from 1 to 1000000"},
		{"bootstrap.servers=,", "no broker"},
		{"transactional.id=t", "no transactions"},
		{"ssl.crl.location=/x", "revocation"},
		{"partitioner=sticky", "one of random"},
		{"partitioner.class=com.example.Mine", "Java classes"},
		{"partitioner=random partitioner.class=DefaultPartitioner", "contradicts"},
		{"security.protocol=TLS", "PLAINTEXT, SSL"},
		{"ssl.ca.location=/nowhere", "security.protocol is PLAINTEXT"},
		{"sasl.password=hunter2", "security.protocol is PLAINTEXT"},
		{"security.protocol=SSL sasl.username=a", "security.protocol is SSL"},
		{"security.protocol=SASL_SSL", "sasl.mechanism is missing"},
		{"security.protocol=SASL_SSL sasl.mechanism=DIGEST", "it must be PLAIN"},
		{"security.protocol=SASL_SSL sasl.mechanism=PLAIN", "needs a user and a password"},
		{"security.protocol=SASL_SSL sasl.mechanism=PLAIN sasl.password=hunter2", "sasl.username is missing"},
		{"security.protocol=SASL_SSL sasl.mechanism=PLAIN sasl.username=u", "sasl.password is missing"},
		{"security.protocol=SSL ssl.ca.location=/nowhere/ca.pem", "/nowhere/ca.pem"},
		{"security.protocol=SSL ssl.certificate.location=/c", "give ssl.key.location"},
		{"security.protocol=SSL ssl.key.location=/c", "give ssl.certificate.location"},
		{"security.protocol=SSL ssl.enabled.protocols=SSLv3", "TLSv1.2"},
		{"security.protocol=SSL ssl.cipher.suites=RC4", "not a cipher suite"},
		{"security.protocol=SSL ssl.endpoint.identification.algorithm=ldaps", "https, or none"},
		{"security.protocol=SSL ssl.truststore.location=/x ssl.truststore.type=BKS", "PEM, PKCS12 or JKS"},
		{"security.protocol=SSL ssl.truststore.location=/x ssl.ca.location=/y", "given already"},
		{"=hunter2", "-X needs name=value"},
		{"hunter2", "-X needs name=value"},
	} {
		t.Run(c.arguments, func(t *testing.T) {
			got := strings.Join(faultsOf(t, strings.Fields(c.arguments)...), "\n")
			if !strings.Contains(got, c.want) {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestAllFaultsAreListedAtOnce(t *testing.T) {
	got := faultsOf(t, "acks=7", "lingr.ms=5", "compression.type=rar", "security.protocol=SSL", "ssl.ca.location=/nowhere")
	if len(got) != 4 {
		t.Errorf("got %d faults: %q", len(got), got)
	}
}

func TestJAASFaultsHideSecrets(t *testing.T) {
	for _, jaas := range []string{
		`PlainLoginModule required username="u" password="hunter2"`,
		`ScramLoginModule required username="u" password="hunter2";`,
		`hunter2`,
	} {
		got := faultsOf(t, "security.protocol=SASL_SSL", "sasl.mechanism=PLAIN", "sasl.jaas.config="+jaas)
		if len(got) != 1 || !strings.HasPrefix(got[0], "sasl.jaas.config (-X): ") {
			t.Errorf("%s: got %q", jaas, got)
		}
	}
}

func TestNotes(t *testing.T) {
	for arguments, want := range map[string]string{
		"key.serializer=org.Foo":                                          "nothing to serialize",
		"client.dns.lookup=use_all_dns_ips":                               "every address",
		"group.id=g":                                                      "consumers",
		"schema.registry.url=http://x":                                    "schema registry",
		"max.in.flight.requests.per.connection=1":                         "up to 5",
		"batch.size=16384":                                                "max.request.size",
		"broker.version.fallback=0.9.0":                                   "add api.version.request=false",
		"api.version.request=false":                                       "broker.version.fallback",
		"request.timeout.ms=1000 socket.timeout.ms=2000":                  "does not tell it from request.timeout.ms",
		"compression.type=snappy compression.level=3":                     "no levels",
		"security.protocol=SSL enable.ssl.certificate.verification=false": "not verified",
		"security.protocol=SSL ssl.endpoint.identification.algorithm=":    "names are not checked",
	} {
		c, err := configOf(strings.Fields(arguments)...)
		if err != nil || len(c.Notes) != 1 || !strings.Contains(c.Notes[0], want) {
			t.Errorf("%s: got %v, %v; want %q", arguments, c, err, want)
		}
	}
}

func TestPrecedence(t *testing.T) {
	var s Set
	s.Add(FromCommand, "--brokers", "bootstrap.servers", "command:1")
	s.Add(FromFile, "f:1", "metadata.broker.list", "file:1")
	s.Add(FromFlag, "-X", "bootstrap.servers", "flag:1")
	s.Add(FromFile, "f:2", "client.id", "first")
	s.Add(FromFile, "f:3", "client.id", "second")
	c, err := s.Config()
	if err != nil || len(c.Brokers) != 1 || c.Brokers[0] != "command:1" || c.ClientID != "second" {
		t.Errorf("got %v, %v", c, err)
	}
}

func TestKcatPrefixesAndAddresses(t *testing.T) {
	c, err := configOf("topic.request.required.acks=1", "default.topic.compression.codec=lz4",
		"metadata.broker.list=PLAINTEXT://a:1, b:2,")
	if err != nil || strings.Join(c.Brokers, " ") != "a:1 b:2" || len(c.Options) != 3 {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestEveryNameIsKnownOnce(t *testing.T) {
	seen := map[string]string{}
	check := func(list, where string) {
		for name := range strings.FieldsSeq(list) {
			if seen[name] != "" {
				t.Errorf("%s stands twice in the table: %s and %s", name, seen[name], where)
			}
			seen[name] = where
		}
	}
	check(usedNames, "used")
	for _, g := range ignoredNames {
		check(g.names, "ignored")
	}
	for _, g := range refusedNames {
		check(g.names, "refused")
	}
	for name := range secretNames {
		if seen[name] != "used" {
			t.Errorf("the secret %s is not among the used names", name)
		}
	}
}

func TestNearest(t *testing.T) {
	list := func(yield func(string) bool) { _ = yield("linger.ms") && yield("acks") && yield("batch.size") }
	for name, want := range map[string]string{"lniger.ms": "linger.ms", "ack": "acks", "zzzzzz": "", "": ""} {
		if got := Nearest(name, list); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
	if d := editDistance("abcd", "acbd", 5); d != 1 {
		t.Errorf("a swap counts %d", d)
	}
	if d := editDistance("kitten", "sitting", 5); d != 3 {
		t.Errorf("kitten to sitting counts %d", d)
	}
}

// FuzzConfig: any properties give a configuration or faults, and neither the faults
// nor the notes tell a password.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"bootstrap.servers=a:1,b:2\nlinger.ms=5\ncompression.type=zstd", "acks=0\nenable.idempotence=true", "batch.size=-1\nbuffer.memory=1e9",
		"security.protocol=SASL_SSL\nsasl.mechanism=SCRAM-SHA-256\nsasl.username=ann", "queue.buffering.max.ms=5\nlinger.ms=6", "nosuch=1",
		"sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username=a password=\"b\";", "partitioner=murmur2_random",
	} {
		f.Add(seed)
	}
	const secret = "zanzibar-8472"
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseConf(strings.NewReader(text))
		if err != nil {
			return
		}
		var s Set
		s.Add(FromFlag, "-X", "sasl.password", secret)
		s.Add(FromFlag, "-X", "ssl.key.password", secret)
		for _, p := range list {
			s.Add(FromFile, "fuzz.conf", p.Name, p.Value)
		}
		c, err := s.Config()
		told := fmt.Sprint(err)
		if c != nil {
			told += fmt.Sprint(c.Notes)
		}
		if (c == nil) == (err == nil) || strings.Contains(told, secret) && !strings.Contains(text, secret) {
			t.Errorf("%q gave a configuration %v, and tells %s", text, c != nil, told)
		}
	})
}
