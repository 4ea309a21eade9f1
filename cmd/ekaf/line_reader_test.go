package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

// linesOf reads all lines as the feed does; a line that is too long is "<too long>".
func linesOf(t *testing.T, r io.Reader, block, longest int) []string {
	t.Helper()
	l := &lineReader{max: longest, buf: make([]byte, min(block, longest+1))}
	l.reset(r)
	var list []string
	for {
		err := l.fill()
		for {
			line, state := l.next(err != nil)
			if state == lineNone {
				break
			}
			if state == lineTooLong {
				list = append(list, "<too long>")
			} else {
				list = append(list, string(line))
			}
		}
		if errors.Is(err, io.EOF) {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestLines(t *testing.T) {
	long := strings.Repeat("x", 9)
	for _, c := range []struct {
		text string
		want []string
	}{
		{"", nil},
		{"\n", []string{""}},
		{"a\nb\n", []string{"a", "b"}},
		{"a\n\nb", []string{"a", "", "b"}},
		{"a\r\nb", []string{"a\r", "b"}},
		{"12345678\n1", []string{"12345678", "1"}},
		{long + "\nb\n", []string{"<too long>", "b"}},
		{"a\n" + long + long + long, []string{"a", "<too long>"}},
		{long + long + "\n" + long + "\n\nz", []string{"<too long>", "<too long>", "", "z"}},
		{strings.Repeat("x", 90) + "\n12345678", []string{"<too long>", "12345678"}},
		{strings.Repeat("x", 18), []string{"<too long>"}},
	} {
		for _, block := range []int{1, 2, 3, 8, 9, 100} {
			for name, reader := range map[string]io.Reader{
				"whole": strings.NewReader(c.text), "byte by byte": iotest.OneByteReader(strings.NewReader(c.text)),
				"with EOF": iotest.DataErrReader(strings.NewReader(c.text)),
			} {
				if got := linesOf(t, reader, block, 8); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", c.want) {
					t.Errorf("%q in blocks of %d, %s: got %q, want %q", c.text, block, name, got, c.want)
				}
			}
		}
	}
}

func FuzzLines(f *testing.F) {
	for _, seed := range []string{"", "a\nb", "\n\n", "123456789\n1", "12345678901234567890"} {
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, text string, block uint8) {
		var want []string
		for line := range strings.Lines(text) {
			line = strings.TrimSuffix(line, "\n")
			if len(line) > 8 {
				line = "<too long>"
			}
			want = append(want, line)
		}
		if got := linesOf(t, strings.NewReader(text), max(int(block), 1), 8); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	})
}

func TestAReaderWithoutProgressIsAnError(t *testing.T) {
	l := &lineReader{max: 8, buf: make([]byte, 4)}
	l.reset(readerFunc(func([]byte) (int, error) { return 0, nil }))
	if err := l.fill(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("got %v", err)
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestMessageForms(t *testing.T) {
	for _, c := range []struct {
		form       form
		line       string
		key, value string // "-" is nil
	}{
		{form{partition: -1}, "a:b", "-", "a:b"},
		{form{partition: -1, delim: []byte(":")}, "a:b:c", "a", "b:c"},
		{form{partition: -1, delim: []byte(":")}, ":b", "", "b"},
		{form{partition: -1, delim: []byte(":")}, "a:", "a", ""},
		{form{partition: -1, delim: []byte(":")}, "ab", "-", "ab"},
		{form{partition: -1, delim: []byte("::")}, "a:b::c", "a:b", "c"},
		{form{partition: -1, delim: []byte(":"), null: []byte("NULL")}, "a:NULL", "a", "-"},
		{form{partition: -1, delim: []byte(":"), null: []byte{}}, "a:", "a", "-"},
		{form{partition: -1, null: []byte("NULL")}, "NULLS", "-", "NULLS"},
	} {
		m := c.form.blank()
		c.form.fill(&m, []byte("older:line")) // nothing of it may stay
		c.form.fill(&m, []byte(c.line))
		if text(m.Key) != c.key || text(m.Value) != c.value {
			t.Errorf("%q: got key %q, value %q", c.line, text(m.Key), text(m.Value))
		}
	}
	f := form{partition: 3}
	m := f.blank()
	if p, explicit := m.Partition(); p != 3 || !explicit {
		t.Errorf("the partition is %d, %v", p, explicit)
	}
	line := []byte("x")
	if n := testing.AllocsPerRun(100, func() { f.fill(&m, line) }); n != 0 {
		t.Errorf("a message allocates %v times", n)
	}
}

func text(b []byte) string {
	if b == nil {
		return "-"
	}
	return string(b)
}
