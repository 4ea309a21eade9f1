package access

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// maxFile bounds a file of credentials or keys, in bytes.
const maxFile = 16 << 20

// readFile reads a file that ought not to be large.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("cannot read it: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read %s: %w", name, err)
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d MiB", name, maxFile>>20)
	}
	return text, nil
}

// readPairs gives the lines NAME:SECRET of a file to take, without comments and
// empty lines, and lists the faults of all lines. What stands on a line may be a
// secret: faults name its number alone.
func readPairs(file string, take func(name, secret string) error) error {
	text, err := readFile(file)
	if err != nil {
		return err
	}
	var faults []error
	number := 0
	for raw := range bytes.Lines(text) {
		number++
		line := strings.TrimSpace(string(raw))
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		name, secret, found := strings.Cut(line, ":")
		fault := checkPrincipal(name)
		switch {
		case !found:
			fault = errors.New("a line is PRINCIPAL:SECRET")
		case fault == nil:
			fault = take(name, secret)
		}
		if fault != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file, number, fault))
		}
	}
	return errors.Join(faults...)
}

// maxPrincipal bounds a principal's name, in bytes: it is a key of our maps, and
// part of the keys of idempotent requests.
const maxPrincipal = 512

// checkPrincipal: a name ends up in logs and maps.
func checkPrincipal(name string) error {
	switch {
	case name == "":
		return errors.New("the principal's name is empty")
	case len(name) > maxPrincipal:
		return fmt.Errorf("a principal's name is longer than %d bytes", maxPrincipal)
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("a principal's name holds a control character")
	}
	return nil
}
