package gatefile

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway/access"
)

var flags = []string{"listen", "allow-origin", "tokens"}

const whole = `
listen: ":8080"
allow-origin: [https://a.example, https://b.example]
properties:
  bootstrap.servers: kafka:9092
  request.timeout.ms: 5000
producer: &all
  linger: 20ms
  backoff: 50ms to 1s
topics:
  events: {linger: 1s, strategy: [by-key, random]}
  quiet:
principals:
  shop:
    topics: [events, "orders.*"]
    rate: 10.5
    burst: 20
  "*": {topics: clicks, overview: true}
`

func TestAFileIsRead(t *testing.T) {
	f, err := parse("g.yaml", []byte(whole), flags)
	if err != nil {
		t.Fatal(err)
	}
	if want := []Setting{{"listen", []string{":8080"}, 2}, {"allow-origin", []string{"https://a.example", "https://b.example"}, 3}}; !reflect.DeepEqual(f.Flags, want) {
		t.Errorf("flags %v", f.Flags)
	}
	if want := []Setting{{"bootstrap.servers", []string{"kafka:9092"}, 5}, {"request.timeout.ms", []string{"5000"}, 6}}; !reflect.DeepEqual(f.Properties, want) {
		t.Errorf("properties %v", f.Properties)
	}
	if want := map[string]access.Rule{
		"shop": {Topics: []string{"events", "orders.*"}, Rate: 10.5, Burst: 20}, "*": {Topics: []string{"clicks"}, Overview: true},
	}; !reflect.DeepEqual(f.Rules, want) {
		t.Errorf("rules %v", f.Rules)
	}
	if len(f.Options) != 4 {
		t.Errorf("%d options", len(f.Options))
	}
	same, err := parse("other", []byte("\n\n"+whole), flags)
	if err != nil || !f.SameProducer(same) {
		t.Errorf("the same is not the same (%v)", err)
	}
	other, err := parse("other", []byte(strings.Replace(whole, "linger: 1s", "linger: 2s", 1)), flags)
	if err != nil || f.SameProducer(other) {
		t.Errorf("a topic's option was changed, and nobody sees it (%v)", err)
	}
	for _, empty := range []string{"", "# nothing\n", "principals:\n"} {
		if _, err := parse("g.yaml", []byte(empty), flags); err != nil {
			t.Errorf("%q: %v", empty, err)
		}
	}
}

func TestEveryFaultHasItsLine(t *testing.T) {
	_, err := parse("g.yaml", []byte(`listen: {a: b}
listne: x
tokens: a
tokens: b
producer:
  linger: soonish-hunter2
  lingr: 1s
  sasl: plain
properties: [hunter2]
topics:
  events:
    brokers: a:1
    acks: 3
principals:
  shop: {topics: ["a*b"], rate: fast}
  other: {topic: x}
<<: {}
`), flags)
	if err == nil {
		t.Fatal("no fault was found")
	}
	for _, want := range []string{
		":1: listen must be a value", ":2: listne is not known here: did you mean listen?", ":4: the file: tokens is there already",
		":6: linger: it must be a time", "did you mean linger?", ":8: sasl: it is set by properties", ":9: properties must be names",
		":12: brokers is for all topics", ":13: acks: it must be one of", ":15: rate must be a number",
		":16: topic is not known here: did you mean topics?", ":17: the file must have plain names",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing from\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a value is quoted: %v", err)
	}
	_, err = parse("g.yaml", []byte("properties: {linger.ms: 5}\nproducer: {linger: 5ms}"), flags)
	if err == nil || !strings.Contains(err.Error(), ":2: linger is the same as the property linger.ms on line 1") {
		t.Errorf("two names of one thing: %v", err)
	}
	_, err = parse("g.yaml", []byte("tokens: ok\nlisten: 'hunter2"), flags)
	if err == nil || strings.Contains(err.Error(), "hunter2") || !strings.Contains(err.Error(), "line ") {
		t.Errorf("not YAML: %v", err)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none"), flags); err == nil {
		t.Error("a file that does not exist is read")
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := errors.Join(os.WriteFile(large, make([]byte, maxFile+1), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(large, flags); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
}

// What a second document says would not count: a guard named there would let
// everybody in.
func TestAFileHoldsOneDocument(t *testing.T) {
	for text, at := range map[string]string{
		"listen: a\n---\ntokens: b\n": ":2: a second document", "---\n---\ntokens: b\n": ":2: a second document",
		"listen: a\n...\n---\ntokens: b\n": ":3: a second document", "listen: a\n---\n": ":2: a second document",
		"listen: a\n---\ntokens: 'hunter2": "is not YAML", "# one\n---\nlisten: a\n...\n# end\n": "",
	} {
		_, err := parse("g.yaml", []byte(text), flags)
		if (err == nil) != (at == "") || err != nil && (!strings.Contains(err.Error(), at) || strings.Contains(err.Error(), "hunter2")) {
			t.Errorf("%q: %v, not %q", text, err, at)
		}
	}
}

func TestFaultsOfTheLibraryGetTheirLines(t *testing.T) {
	f, err := parse("g.yaml", []byte("producer:\n  workers: -1\n  linger: -1s\ntopics:\n  events:\n    batch-bytes: 1\n"), flags)
	if err != nil {
		t.Fatal(err)
	}
	_, err = ekaf.New(append(f.Options, ekaf.Brokers("a:1"))...)
	faults, ok := errors.AsType[*ekaf.ConfigError](err)
	if !ok {
		t.Fatalf("no fault was found: %v", err)
	}
	found := map[string]bool{}
	for _, fault := range faults.Faults {
		where, _, _ := strings.Cut(f.Where(fault).Error(), ": ")
		found[where] = true
	}
	for _, want := range []string{"g.yaml:2", "g.yaml:3", "g.yaml:6"} {
		if !found[want] {
			t.Errorf("no fault on %s: %v", want, err)
		}
	}
	if plain := errors.New("Other: fault"); f.Where(plain) != plain {
		t.Error("a fault of something else has a line")
	}
}

func apart(err error) (all []error) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	for _, e := range joined.Unwrap() {
		all = append(all, apart(e)...)
	}
	return all
}

func TestFaultsOfAllElseGetTheirLines(t *testing.T) {
	f, err := parse("g.yaml", []byte(`listen: x
tokens: none
topics:
  "a/b":
    linger: 1s
principals:
  shop:
    topics: ["a*b", ""]
  anonymous: {topics: [b]}
`), flags)
	if err != nil {
		t.Fatal(err)
	}
	faults := []error{
		errors.New("--listen has a fault"), errors.New("nothing of the file"), errors.New("principals: nobody can be known"),
		access.Config{Tokens: "none", Rules: f.Rules}.Check(),
	}
	_, err = ekaf.New(append(f.Options, ekaf.Brokers("a:1"))...)
	var got []string
	for _, fault := range apart(errors.Join(append(faults, err)...)) {
		got = append(got, f.Where(fault).Error())
	}
	text := strings.Join(got, "\n")
	for _, want := range []string{
		"g.yaml:1: --listen", "g.yaml:6: principals: nobody", "g.yaml:2: tokens: cannot read it: open none",
		`g.yaml:7: principals: shop: topics: "a*b"`, "g.yaml:7: principals: shop: topics: a name is empty", `g.yaml:4: Topic "a/b": `,
	} {
		if strings.Count(text, want) != 1 {
			t.Errorf("%q is not there, or twice, in\n%s", want, text)
		}
	}
	if !strings.Contains(text, "\nnothing of") {
		t.Errorf("a fault of something else has a line:\n%s", text)
	}
}

func FuzzFile(f *testing.F) {
	for _, seed := range []string{whole, "a: &a [*a]", "producer: &p\n  linger: *p\n", "topics: &t {events: *t}", "{", "? [a]\n: b", "- a", "a: b\n---\nc: d\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parse("g.yaml", text, flags)
		if file == nil && err == nil {
			t.Errorf("%v and %v", file, err)
		}
	})
}
