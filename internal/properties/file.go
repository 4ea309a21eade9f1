package properties

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxFileBytes bounds a properties file: a mistyped path to a log or a disk
// image must not fill the memory.
const maxFileBytes = 4 << 20

// Property is one line of a file: a name, its value and where it stood.
type Property struct {
	Name, Value string
	// Line is where the property begins, from 1.
	Line int
}

// ReadFile reads a file of properties. A name ending in .conf is read as kcat
// and librdkafka read it (ParseConf), any other as Java does (ParseJava).
func ReadFile(path string) ([]Property, error) {
	text, err := readBounded(path, maxFileBytes)
	if err != nil {
		return nil, err
	}
	parse := ParseJava
	if strings.HasSuffix(path, ".conf") {
		parse = ParseConf
	}
	list, err := parse(bytes.NewReader(text))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", path, err)
	}
	return list, nil
}

func readBounded(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read a file: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read a file: %w", err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("cannot read %s: it is larger than %d bytes, so it is hardly the file meant", path, limit)
	}
	return text, nil
}

// ParseJava parses the syntax of java.util.Properties: # and ! comments, lines
// continued by a backslash, name and value parted by =, : or white space, and
// the escapes \t \n \r \f \uXXXX. An error names the line, never its text,
// which may hold a secret. The text is read as UTF-8.
func ParseJava(r io.Reader) ([]Property, error) {
	lines, err := logicalLines(r)
	if err != nil {
		return nil, err
	}
	var list []Property
	for _, l := range lines {
		name, value := cutJava(l.text)
		p := Property{Line: l.number}
		if p.Name, err = unescape(name); err == nil {
			p.Value, err = unescape(value)
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", l.number, err)
		}
		if p.Name == "" {
			return nil, fmt.Errorf("line %d: it has no name before the value", l.number)
		}
		list = append(list, p)
	}
	return list, nil
}

// ParseConf parses the syntax of kcat's configuration files: name=value, blank
// lines, # comments. Backslashes are themselves, a line ends where it ends.
func ParseConf(r io.Reader) ([]Property, error) {
	var list []Property
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxFileBytes)
	for number := 1; scan.Scan(); number++ {
		text := strings.TrimSpace(strings.TrimPrefix(scan.Text(), "\ufeff"))
		if text == "" || text[0] == '#' {
			continue
		}
		name, value, found := strings.Cut(text, "=")
		if name = strings.TrimSpace(name); !found || name == "" {
			return nil, fmt.Errorf("line %d: it is not name=value (a .conf file is read as kcat does; "+
				"name it .properties to have it read as Java does, with continued lines)", number)
		}
		list = append(list, Property{Name: name, Value: strings.TrimSpace(value), Line: number})
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("cannot read its lines: %w", err)
	}
	return list, nil
}

type logicalLine struct {
	text   string
	number int
}

// logicalLines joins continued lines. A comment cannot be continued, and a
// blank line inside a continuation ends it, as in Java.
func logicalLines(r io.Reader) ([]logicalLine, error) {
	var lines []logicalLine
	open := false
	scan := bufio.NewScanner(r)
	scan.Buffer(nil, maxFileBytes)
	scan.Split(splitAnyLine)
	for number := 1; scan.Scan(); number++ {
		text := strings.TrimLeft(strings.TrimPrefix(scan.Text(), "\ufeff"), " \t\f")
		if !open && (text == "" || text[0] == '#' || text[0] == '!') {
			continue
		}
		continued := trailingBackslashes(text)%2 == 1
		if continued {
			text = text[:len(text)-1]
		}
		if open {
			lines[len(lines)-1].text += text
		} else {
			lines = append(lines, logicalLine{text, number})
		}
		open = continued
	}
	if err := scan.Err(); err != nil {
		return nil, fmt.Errorf("cannot read its lines: %w", err)
	}
	return lines, nil
}

// splitAnyLine splits at \n, \r\n and a lone \r, which Java takes as well.
func splitAnyLine(data []byte, atEOF bool) (advance int, token []byte, err error) {
	i := bytes.IndexAny(data, "\r\n")
	switch {
	case i < 0 && !atEOF:
		return 0, nil, nil
	case i < 0 && len(data) == 0:
		return 0, nil, nil
	case i < 0:
		return len(data), data, nil
	case data[i] == '\n':
		return i + 1, data[:i], nil
	case i+1 < len(data) && data[i+1] == '\n':
		return i + 2, data[:i], nil
	case i+1 == len(data) && !atEOF:
		return 0, nil, nil // a \n may follow
	}
	return i + 1, data[:i], nil
}

func trailingBackslashes(s string) int {
	return len(s) - len(strings.TrimRight(s, `\`))
}

// cutJava parts name and value at the first unescaped =, : or white space; one
// = or : may stand inside the white space.
func cutJava(line string) (name, value string) {
	end := len(line)
	for i := 0; i < len(line); i++ {
		if line[i] == '\\' {
			i++
			continue
		}
		if strings.IndexByte("=: \t\f", line[i]) >= 0 {
			end = i
			break
		}
	}
	value = strings.TrimLeft(line[end:], " \t\f")
	if value != "" && (value[0] == '=' || value[0] == ':') {
		value = strings.TrimLeft(value[1:], " \t\f")
	}
	return line[:end], value
}

var errUnicodeEscape = errors.New(`\u must be followed by four hexadecimal digits`)

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		if i++; i == len(s) {
			break // a lone backslash at the end of the file
		}
		switch s[i] {
		case 't':
			b.WriteByte('\t')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 'f':
			b.WriteByte('\f')
		case 'u':
			r, size, err := unicodeEscape(s[i+1:])
			if err != nil {
				return "", err
			}
			b.WriteRune(r)
			i += size
		default:
			b.WriteByte(s[i])
		}
	}
	return b.String(), nil
}

// unicodeEscape reads what follows \u, both halves of a surrogate pair if it is one.
func unicodeEscape(s string) (r rune, size int, err error) {
	if r, err = hexRune(s); err != nil {
		return 0, 0, err
	}
	if utf16.IsSurrogate(r) && len(s) >= 10 && s[4:6] == `\u` {
		if low, err := hexRune(s[6:]); err == nil {
			if whole := utf16.DecodeRune(r, low); whole != utf8.RuneError {
				return whole, 10, nil
			}
		}
	}
	return r, 4, nil // half a pair alone is written as the replacement character
}

func hexRune(s string) (rune, error) {
	if len(s) < 4 {
		return 0, errUnicodeEscape
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	if err != nil {
		return 0, errUnicodeEscape
	}
	return rune(n), nil
}
