package properties

import (
	"errors"
	"fmt"
	"strings"
)

// LoginModule is the one entry of a sasl.jaas.config value.
type LoginModule struct {
	// Class is the module's Java class, such as
	// org.apache.kafka.common.security.plain.PlainLoginModule.
	Class string
	// Options are its options, secrets among them.
	Options map[string]string
}

// Name is the class without its package.
func (m LoginModule) Name() string {
	return m.Class[strings.LastIndexByte(m.Class, '.')+1:]
}

// String names the module alone: its options hold secrets.
func (m LoginModule) String() string { return m.Name() }

var (
	errJAASEnd      = errors.New("it must end with a semicolon")
	errJAASUnclosed = errors.New("a quotation mark or a comment is not closed")
)

// ParseJAAS parses the value of sasl.jaas.config, as JaasConfig of Kafka does:
//
//	CLASS required|requisite|sufficient|optional (NAME=VALUE | NAME="VALUE")* ;
//
// Errors never quote the text, which holds passwords.
func ParseJAAS(text string) (LoginModule, error) {
	s := jaasScanner{text: text}
	m, err := s.module()
	if err != nil {
		return LoginModule{}, fmt.Errorf("the login module cannot be read: %w", err)
	}
	return m, nil
}

func (s *jaasScanner) module() (LoginModule, error) {
	m := LoginModule{Options: map[string]string{}}
	class, err := s.word("the login module's class")
	if err != nil {
		return m, err
	}
	m.Class = class
	flag, err := s.word("the control flag")
	if err != nil {
		return m, err
	}
	switch strings.ToLower(flag) {
	case "required", "requisite", "sufficient", "optional":
	default:
		return m, errors.New("after the class must follow the control flag: required")
	}
	for {
		t, err := s.next()
		switch {
		case err != nil:
			return m, err
		case t.kind == jaasEnd:
			return m, errJAASEnd
		case t.kind == jaasSemicolon:
			return m, s.nothingMore()
		case t.kind == jaasEquals:
			return m, errors.New("an option has no name")
		}
		if err := s.option(&m, t.text); err != nil {
			return m, err
		}
	}
}

// option reads =VALUE. The name itself is not quoted in errors: with a quotation
// mark missing it may be a piece of a password.
func (s *jaasScanner) option(m *LoginModule, name string) error {
	eq, err := s.next()
	if err != nil {
		return err
	}
	if eq.kind != jaasEquals {
		return fmt.Errorf("option %d is not NAME=VALUE", len(m.Options)+1)
	}
	value, err := s.next()
	if err != nil {
		return err
	}
	if value.kind != jaasWord {
		return fmt.Errorf("option %d has no value", len(m.Options)+1)
	}
	m.Options[name] = value.text
	return nil
}

func (s *jaasScanner) word(what string) (string, error) {
	t, err := s.next()
	if err != nil {
		return "", err
	}
	if t.kind != jaasWord || t.text == "" {
		return "", fmt.Errorf("%s is missing", what)
	}
	return t.text, nil
}

func (s *jaasScanner) nothingMore() error {
	t, err := s.next()
	if err == nil && t.kind != jaasEnd {
		err = errors.New("there must be one login module, and nothing after its semicolon")
	}
	return err
}

type jaasKind uint8

const (
	jaasEnd jaasKind = iota
	jaasWord
	jaasEquals
	jaasSemicolon
)

type jaasToken struct {
	kind jaasKind
	text string
}

type jaasScanner struct {
	text string
	at   int
}

func (s *jaasScanner) next() (jaasToken, error) {
	if err := s.skipBlanks(); err != nil {
		return jaasToken{}, err
	}
	if s.at == len(s.text) {
		return jaasToken{}, nil
	}
	switch c := s.text[s.at]; c {
	case ';':
		s.at++
		return jaasToken{kind: jaasSemicolon}, nil
	case '=':
		s.at++
		return jaasToken{kind: jaasEquals}, nil
	case '"', '\'':
		s.at++
		return s.quoted(c)
	}
	start := s.at
	for s.at < len(s.text) && strings.IndexByte(" \t\r\n\f;=\"'", s.text[s.at]) < 0 {
		s.at++
	}
	return jaasToken{jaasWord, s.text[start:s.at]}, nil
}

func (s *jaasScanner) skipBlanks() error {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case strings.IndexByte(" \t\r\n\f", rest[0]) >= 0:
			s.at++
		case strings.HasPrefix(rest, "//"):
			end := strings.IndexByte(rest, '\n')
			if end < 0 {
				end = len(rest) - 1
			}
			s.at += end + 1
		case strings.HasPrefix(rest, "/*"):
			end := strings.Index(rest[2:], "*/")
			if end < 0 {
				return errJAASUnclosed
			}
			s.at += end + 4
		default:
			return nil
		}
	}
	return nil
}

// quoted reads up to the closing mark, with the escapes of Java's StreamTokenizer
// except octal ones, which nobody writes in a password.
func (s *jaasScanner) quoted(mark byte) (jaasToken, error) {
	var b strings.Builder
	for ; s.at < len(s.text); s.at++ {
		c := s.text[s.at]
		if c == mark {
			s.at++
			return jaasToken{jaasWord, b.String()}, nil
		}
		if c == '\\' && s.at+1 < len(s.text) {
			s.at++
			c = jaasEscape(s.text[s.at])
		}
		b.WriteByte(c)
	}
	return jaasToken{}, errJAASUnclosed
}

func jaasEscape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'f':
		return '\f'
	}
	return c
}
