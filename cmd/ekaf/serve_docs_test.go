//go:build unix

package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
)

// TestTheCurlLinesOfTheDocuments runs them in order against the program, as curl
// would, and compares with the answers that the page gives.
func TestTheCurlLinesOfTheDocuments(t *testing.T) {
	page, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	c := ekaftest.Start(t, ekaftest.Topic("events", 1))
	s := startServe(t, "-b", c.Addrs()[0])
	lines, examples := strings.Split(string(page), "\n"), 0
	for i, line := range lines {
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		examples++
		s.settle()
		got := s.curl(shellWords(t, line)[1:])
		got = strings.ReplaceAll(got, s.url, "http://localhost:8080")
		want, _, cut := strings.Cut(strings.TrimPrefix(lines[i+1], "# "), "…")
		if got != want && !(cut && strings.HasPrefix(got, want)) {
			t.Errorf("%s\nanswered %s\nwant     %s", line, got, want)
		}
	}
	if examples < 15 {
		t.Errorf("only %d examples found", examples)
	}
}

// settle waits until all that was accepted is in Kafka, as it is between two
// lines that a person types.
func (s *served) settle() {
	for !strings.Contains(s.curl([]string{"localhost:8080/readyz"}), `"buffered_messages":0`) {
		time.Sleep(time.Millisecond)
	}
}

// curl understands the little of curl that the page uses.
func (s *served) curl(args []string) string {
	s.t.Helper()
	var data []string
	method, target, header := http.MethodGet, "", http.Header{}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-s":
		case "-H":
			i++
			name, value, _ := strings.Cut(args[i], ": ")
			header.Add(name, value)
		case "-d", "--data-binary":
			i++
			method, data = http.MethodPost, append(data, args[i])
		default:
			target = args[i]
		}
	}
	if method == http.MethodPost && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	target, ours := strings.CutPrefix(target, "localhost:8080")
	if !ours {
		s.t.Fatalf("%q is not understood", args)
	}
	r, err := http.NewRequest(method, s.url+target, strings.NewReader(strings.Join(data, "&")))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = header
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	switch {
	case len(body) == 0:
		return fmt.Sprint(answer.StatusCode)
	case answer.Header.Get("Content-Type") == "image/gif":
		return fmt.Sprintf("%d (a GIF)", answer.StatusCode)
	}
	return fmt.Sprintf("%d %s", answer.StatusCode, strings.TrimSpace(string(body)))
}

// shellWords splits a line as a shell does, with the quotes that the page uses.
func shellWords(t *testing.T, line string) (words []string) {
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		var word string
		escaped := strings.HasPrefix(line, "$'")
		switch rest, quoted := strings.CutPrefix(strings.TrimPrefix(line, "$"), "'"); {
		case quoted:
			word, line, quoted = strings.Cut(rest, "'")
			if !quoted {
				t.Fatalf("a quote does not end: %s", rest)
			}
		default:
			word, line, _ = strings.Cut(line, " ")
		}
		if escaped {
			word = strings.ReplaceAll(word, `\n`, "\n")
		}
		words = append(words, word)
	}
	return words
}
