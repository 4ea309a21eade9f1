package gatefile

import (
	"fmt"
	"strings"

	"github.com/ekaf-go/ekaf/internal/optiontext"
)

// Where adds to a fault that the library has found the lines of the options that
// it names, if the file gives them. Faults of the library begin with the option's
// name, or several, and those of one topic with Topic "name": before them.
func (f *File) Where(fault error) error {
	text, topic := fault.Error(), ""
	if rest, ok := strings.CutPrefix(text, `Topic "`); ok {
		topic, text, _ = strings.Cut(rest, `": `)
	}
	head, _, _ := strings.Cut(text, ":")
	var lines []string
	for word := range strings.FieldsSeq(head) {
		name := optiontext.Name(strings.TrimRight(word, ","))
		s, given := f.options[topic][name]
		if !given {
			s, given = f.options[""][name]
		}
		if given {
			lines = append(lines, fmt.Sprintf("%s:%d", f.Name, s.Line))
		}
	}
	if len(lines) == 0 {
		return fault
	}
	return fmt.Errorf("%s: %w", strings.Join(lines, ", "), fault)
}

func join(values []string) string { return strings.Join(values, ",") }
