package gatefile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ekaf-go/ekaf/internal/optiontext"
)

// Where adds to a fault that others have found in what the file says the lines
// that it is about, if there are any. Such faults begin with the name of an
// option, or of several; with Topic "name": before it, if it is one topic's; with
// principals: and who it is; or they hold the --names of flags.
func (f *File) Where(fault error) error {
	lines := f.linesOf(fault.Error())
	if len(lines) == 0 {
		return fault
	}
	places := make([]string, len(lines))
	for i, line := range lines {
		places[i] = fmt.Sprintf("%s:%d", f.Name, line)
	}
	return fmt.Errorf("%s: %w", strings.Join(places, ", "), fault)
}

func (f *File) linesOf(text string) []int {
	if rest, found := strings.CutPrefix(text, "principals: "); found {
		return f.linesOfPrincipal(rest)
	}
	rest, found := strings.CutPrefix(text, "Topic ")
	if quoted, err := strconv.QuotedPrefix(rest); found && err == nil {
		topic, _ := strconv.Unquote(quoted) // QuotedPrefix has looked at it
		if lines := f.linesOfOptions(topic, strings.TrimPrefix(rest[len(quoted):], ": ")); len(lines) > 0 {
			return lines
		}
		if line, given := f.topics[topic]; given {
			return []int{line}
		}
	}
	if lines := f.linesOfOptions("", text); len(lines) > 0 {
		return lines
	}
	return f.linesOfFlags(text)
}

// linesOfPrincipal: of two names one of which begins the other, the longer is meant.
func (f *File) linesOfPrincipal(text string) []int {
	longest, section := "", f.principals[""]
	for name := range f.principals {
		if strings.HasPrefix(text, name+": ") && len(name) > len(longest) {
			longest = name
		}
	}
	if section == 0 {
		return nil
	}
	return []int{f.principals[longest]}
}

func (f *File) linesOfOptions(topic, text string) (lines []int) {
	for _, name := range beginning(text) {
		s, given := f.options[topic][name]
		if !given {
			s, given = f.options[""][name]
		}
		if given {
			lines = append(lines, s.Line)
		}
	}
	return lines
}

// flagsOf are the flags of what other names in faults stand for.
var flagsOf = map[string][]string{
	"certificates":       {"client-principal"},
	"safe":               {"safe-running", "safe-queue", "safe-wait"},
	"allow-origins":      {"allow-origin"},
	"idempotency-window": {"idempotency-window", "idempotency-keys"},
}

func (f *File) linesOfFlags(text string) (lines []int) {
	names := beginning(text)
	if len(names) == 1 && flagsOf[names[0]] != nil {
		names = flagsOf[names[0]]
	}
	if rest, found := strings.CutPrefix(text, "jwt: "); found { // "issuer is needed": keys ask for it
		names = []string{"jwt-keys"}
		for _, part := range []string{"issuer", "audience"} {
			if given := "jwt-" + part; strings.HasPrefix(rest, part) && slices.ContainsFunc(f.Flags, func(s Setting) bool { return s.Name == given }) {
				names = []string{given}
			}
		}
	}
	for word := range strings.FieldsSeq(text) {
		if name, found := strings.CutPrefix(strings.Trim(word, "(),:;"), "--"); found {
			names = append(names, name)
		}
	}
	for _, s := range f.Flags {
		if slices.Contains(names, s.Name) {
			lines = append(lines, s.Line)
		}
	}
	return lines
}

// beginning gives the words before the first colon, as files write options.
func beginning(text string) (names []string) {
	head, _, _ := strings.Cut(text, ":")
	for word := range strings.FieldsSeq(head) {
		names = append(names, optiontext.Name(strings.TrimRight(word, ",")))
	}
	return names
}

func join(values []string) string { return strings.Join(values, ",") }
