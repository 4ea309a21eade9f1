package gatefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"

	"go.yaml.in/yaml/v3"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway/access"
	"github.com/ekaf-go/ekaf/internal/optiontext"
	"github.com/ekaf-go/ekaf/internal/properties"
)

// Setting is a name and what the file gives it.
type Setting struct {
	Name   string
	Values []string // one, unless the file has a list
	Line   int
}

// File is what a file says.
type File struct {
	Name       string
	Flags      []Setting
	Properties []Setting
	// Options are those of the sections producer and topics.
	Options []ekaf.Option
	// Rules are those of the section principals; nil: there is none.
	Rules map[string]access.Rule

	options    map[string]map[string]Setting // by topic ("": all), and by name
	topics     map[string]int                // the line of each
	principals map[string]int                // ... and of each; "": of the section
}

// maxFile bounds a file, in bytes.
const maxFile = 4 << 20

// Read reads a file. Its top level holds flags of the names given, and the
// sections. The error lists every fault, with its line; the File then holds what
// is good, so that the faults of all else can be found too. It is nil if nothing
// can be read.
func Read(name string, flags []string) (*File, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("the configuration %s is larger than %d MiB", name, maxFile>>20)
	}
	return parse(name, text, flags)
}

func parse(name string, text []byte, flags []string) (*File, error) {
	r := &reader{flags: flags, File: &File{
		Name: name, options: map[string]map[string]Setting{}, topics: map[string]int{}, principals: map[string]int{},
	}}
	document, next, err := documents(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, withoutText(err))
	}
	if len(document.Content) == 0 {
		return r.File, nil // an empty file
	}
	for key, value := range r.pairs(document.Content[0], "the file") {
		r.section(key, value)
	}
	r.contradictions()
	if next != 0 {
		r.fault(next, "a second document begins here (---): a file holds one, and what stands below would not count")
	}
	return r.File, errors.Join(r.faults...)
}

// documents gives the first document of a file, which is empty if there is none,
// and the line on which a second one begins; 0: there is none. Its text has to be
// looked at: what it says, such as who is let in, must not be passed over in silence.
func documents(text []byte) (first yaml.Node, second int, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&first); {
	case errors.Is(err, io.EOF):
		return yaml.Node{}, 0, nil
	case err != nil:
		return yaml.Node{}, 0, err
	}
	var more yaml.Node
	switch err := decoder.Decode(&more); {
	case errors.Is(err, io.EOF):
		return first, 0, nil
	case err != nil:
		return yaml.Node{}, 0, err
	}
	return first, more.Line, nil
}

// line is where a fault of YAML stands.
var line = regexp.MustCompile(`line \d+`)

// withoutText keeps the line of a fault of syntax: the rest may quote the file.
func withoutText(err error) error {
	where := line.FindString(err.Error())
	if where == "" {
		where = "the file"
	}
	return fmt.Errorf("%s is not YAML", where)
}

// reader reads a file and gathers its faults.
type reader struct {
	*File
	flags  []string
	faults []error
}

func (r *reader) fault(at int, format string, args ...any) {
	r.faults = append(r.faults, fmt.Errorf("%s:%d: %w", r.Name, at, fmt.Errorf(format, args...)))
}

// section reads a name of the top level.
func (r *reader) section(key string, value *yaml.Node) {
	switch key {
	case "properties":
		for name, v := range r.pairs(value, key) {
			r.Properties = append(r.Properties, r.setting(name, v))
		}
	case "producer":
		r.Options = append(r.Options, r.producerOptions("", value)...)
	case "topics":
		for topic, v := range r.pairs(value, key) {
			r.topics[topic] = v.Line
			r.Options = append(r.Options, ekaf.Topic(topic, r.producerOptions(topic, v)...))
		}
	case "principals":
		r.Rules, r.principals[""] = map[string]access.Rule{}, value.Line
		for name, v := range r.pairs(value, key) {
			r.principals[name] = v.Line
			r.Rules[name] = r.rule(name, v)
		}
	default:
		if !slices.Contains(r.flags, key) {
			r.unknown(value.Line, key, append([]string{"properties", "producer", "topics", "principals"}, r.flags...))
			return
		}
		r.Flags = append(r.Flags, r.setting(key, value))
	}
}

func (r *reader) unknown(at int, key string, known []string) {
	if near := properties.Nearest(key, slices.Values(known)); near != "" {
		r.fault(at, "%s is not known here: did you mean %s?", key, near)
		return
	}
	r.fault(at, "%s is not known here", key)
}

// pairs walks a mapping, in the file's order. Names that come twice are faults.
func (r *reader) pairs(n *yaml.Node, what string) func(func(string, *yaml.Node) bool) {
	return func(yield func(string, *yaml.Node) bool) {
		n = resolved(n)
		if n.Tag == "!!null" {
			return
		}
		if n.Kind != yaml.MappingNode {
			r.fault(n.Line, "%s must be names and their values", what)
			return
		}
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key, value := n.Content[i], n.Content[i+1]
			switch {
			case key.Kind != yaml.ScalarNode || key.Tag == "!!merge":
				r.fault(key.Line, "%s must have plain names", what)
			case seen[key.Value]:
				r.fault(key.Line, "%s: %s is there already", what, key.Value)
			default:
				seen[key.Value] = true
				at := *resolved(value)
				at.Line = key.Line
				if !yield(key.Value, &at) {
					return
				}
			}
		}
	}
}

// resolved follows an alias (*name) to what it stands for. What that holds is
// looked at only as deep as the sections go, so that one that holds itself ends.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// setting reads a scalar, or a list of them.
func (r *reader) setting(name string, n *yaml.Node) Setting {
	s := Setting{Name: name, Line: n.Line}
	members := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		members = n.Content
	}
	for _, m := range members {
		if m = resolved(m); m.Kind != yaml.ScalarNode {
			r.fault(n.Line, "%s must be a value, or a list of values", name)
			break
		}
		if m.Tag != "!!null" {
			s.Values = append(s.Values, m.Value)
		}
	}
	return s
}

// producerOptions reads options of the library.
func (r *reader) producerOptions(topic string, n *yaml.Node) (options []ekaf.Option) {
	r.options[topic] = map[string]Setting{}
	what := "producer"
	if topic != "" {
		what = "topic " + topic
	}
	for name, v := range r.pairs(n, what) {
		o, err := optiontext.Find(name)
		if err != nil {
			if near := properties.Nearest(name, slices.Values(optiontext.Names(topic != ""))); near != "" && near != name {
				err = fmt.Errorf("%w; did you mean %s?", err, near)
			}
			r.fault(v.Line, "%s: %w", name, err)
			continue
		}
		if topic != "" && !o.PerTopic {
			r.fault(v.Line, "%s is for all topics: it belongs under producer", name)
			continue
		}
		s := r.setting(name, v)
		made, err := o.Parse(join(s.Values))
		if err != nil {
			r.fault(v.Line, "%s: %w", name, err)
			continue
		}
		r.options[topic][name] = s
		options = append(options, made)
	}
	return options
}

// contradictions: what is said twice, under two names, has no value that wins.
func (r *reader) contradictions() {
	for name, s := range r.options[""] {
		o, err := optiontext.Find(name)
		for _, p := range r.Properties {
			if err == nil && o.Property != "" && p.Name == o.Property {
				r.fault(s.Line, "%s is the same as the property %s on line %d: keep one of them", name, p.Name, p.Line)
			}
		}
	}
}

// rule reads what a principal may do. Whether that makes sense is found where all
// of access is looked at, and Where knows the line.
func (r *reader) rule(principal string, n *yaml.Node) (rule access.Rule) {
	for name, v := range r.pairs(n, "principal "+principal) {
		s := r.setting(name, v)
		var err error
		switch text := join(s.Values); name {
		case "topics":
			rule.Topics = s.Values
		case "rate":
			rule.Rate, err = strconv.ParseFloat(text, 64)
		case "burst":
			rule.Burst, err = strconv.Atoi(text)
		case "overview":
			rule.Overview, err = strconv.ParseBool(text)
		default:
			r.unknown(v.Line, name, []string{"topics", "rate", "burst", "overview"})
		}
		if err != nil {
			r.fault(v.Line, "%s must be a number, overview true or false", name)
		}
	}
	return rule
}

// SameProducer reports whether two files set up the same producer.
func (f *File) SameProducer(other *File) bool {
	return reflect.DeepEqual(withoutLines(f.Properties), withoutLines(other.Properties)) && reflect.DeepEqual(f.texts(), other.texts())
}

func withoutLines(settings []Setting) map[string]string {
	texts := map[string]string{}
	for _, s := range settings {
		texts[s.Name] = join(s.Values)
	}
	return texts
}

func (f *File) texts() map[string]string {
	texts := map[string]string{}
	for topic, options := range f.options {
		for name, s := range options {
			texts[topic+"/"+name] = join(s.Values)
		}
	}
	return texts
}
