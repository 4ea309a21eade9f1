package payload_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ekaf-go/ekaf/internal/payload"
)

func TestFormObject(t *testing.T) {
	for form, want := range map[string]string{
		"hello=a":                 `{"hello":"a"}`,
		"b=2&a=1":                 `{"b":"2","a":"1"}`,
		"a=1&b=2&a=3":             `{"a":["1","3"],"b":"2"}`,
		"flag":                    `{"flag":true}`,
		"flag&flag=1":             `{"flag":[true,"1"]}`,
		"a=":                      `{"a":""}`,
		"=x":                      `{"":"x"}`,
		"a=x+y%20z%26&&c=%C3%A9<": `{"a":"x y z&","c":"é<"}`,
		"q=%22%5C%0A":             `{"q":"\"\\\n"}`,
		"":                        `{}`,
	} {
		got, err := payload.FormObject([]byte("before"), []byte(form))
		if err != nil || string(got) != "before"+want {
			t.Errorf("%q became %s (%v), want %s", form, got, err, want)
		}
	}
}

func TestFormFaultsSayWhere(t *testing.T) {
	for form, offset := range map[string]int{"a=1&b=%zz": 6, "a=%4": 2, "%": 0, "a=%ff": 2} {
		_, err := payload.FormObject(nil, []byte(form))
		syntax, ok := errors.AsType[*payload.SyntaxError](err)
		if !ok || syntax.Offset != offset || syntax.Line != 1 || syntax.Column != offset+1 {
			t.Errorf("%q gave %v, want a fault at %d", form, err, offset)
		}
	}
}

func TestLines(t *testing.T) {
	var got []string
	var numbers []int
	for number, line := range payload.Lines([]byte("one\n\ntwo\r\n\r\n three \nlast")) {
		got, numbers = append(got, string(line)), append(numbers, number)
	}
	if !slices.Equal(got, []string{"one", "two", " three ", "last"}) || !slices.Equal(numbers, []int{1, 3, 5, 6}) {
		t.Errorf("got %q with numbers %v", got, numbers)
	}
	for range payload.Lines([]byte("a\nb")) {
		break // ends the walk
	}
}

func elements(body string) (got []string, err error) {
	err = payload.Elements([]byte(body), func(e []byte) bool {
		got = append(got, string(e))
		return true
	})
	return got, err
}

func TestElements(t *testing.T) {
	for body, want := range map[string][]string{
		`[]`:     nil,
		" [ ]\n": nil,
		`[1]`:    {"1"},
		` [ {"a": [1, "]"]} , "x,\"]" ,null,-1.5e3,[[]] ] `: {`{"a": [1, "]"]}`, `"x,\"]"`, "null", "-1.5e3", "[[]]"},
		`["\\", "\\\""]`: {`"\\"`, `"\\\""`},
	} {
		got, err := elements(body)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s became %q (%v), want %q", body, got, err, want)
		}
	}
}

func TestElementsFaultsSayWhere(t *testing.T) {
	for _, c := range []struct {
		body         string
		line, column int
	}{
		{"[1,]", 1, 4}, {"[1,\n {\"a\" 1}]", 2, 7}, {"[", 1, 1}, {"{}", 1, 1}, {"[1] 2", 1, 5}, {"[\"\x01\"]", 1, 3},
	} {
		got, err := elements(c.body)
		syntax, ok := errors.AsType[*payload.SyntaxError](err)
		if !ok || len(got) > 0 || syntax.Line != c.line || syntax.Column != c.column {
			t.Errorf("%q gave %q and %v, want a fault at %d:%d", c.body, got, err, c.line, c.column)
		}
	}
}

func TestElementsStop(t *testing.T) {
	calls := 0
	if err := payload.Elements([]byte("[1,2,3]"), func([]byte) bool { calls++; return false }); err != nil || calls != 1 {
		t.Errorf("%d calls (%v)", calls, err)
	}
}

func TestMembers(t *testing.T) {
	for body, want := range map[string]string{
		`{}`: "", ` { } `: "", `[1]`: "", `null`: "", ``: "",
		`{"a":1}`: "a=1;", ` { "a" : {"b":2} , "c\"d":"}" } `: `a={"b":2};c\"d="}";`,
	} {
		got := ""
		for name, value := range payload.Members([]byte(body)) {
			got += string(name) + "=" + string(value) + ";"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
	for name := range payload.Members([]byte(`{"a":1,"b":2}`)) {
		if string(name) != "a" {
			t.Errorf("it went on to %s", name)
		}
		break
	}
}

func TestHasLoneSurrogate(t *testing.T) {
	for text, want := range map[string]bool{
		`"plain"`: false, `"\ud83d\ude00"`: false, `"\uD83D\uDE00x\ud83d\ude00"`: false, `"\u00e4\ud7ff\ue000"`: false, `"\\ud800"`: false, `"\ufffd"`: false,
		`"\ud800"`: true, `"\ud800x"`: true, `"\udc00"`: true, `"\ud800\ud800"`: true, `"\ud800\u0041"`: true, `"\ud800\n"`: true,
		`"\ud83d\ude00\ude00"`: true, `"\ud800x\udc00"`: true, `"\uDBFF"`: true, `"\uDFFF"`: true, `"\\\ud800"`: true,
	} {
		if got := payload.HasLoneSurrogate([]byte(text)); got != want {
			t.Errorf("%s: %v", text, got)
		}
		var decoded string
		if err := json.Unmarshal([]byte(text), &decoded); err != nil {
			t.Fatal(err)
		}
		if replaced := strings.ContainsRune(decoded, '\uFFFD') && !strings.Contains(text, "fffd"); replaced != want {
			t.Errorf("%s is decoded as %q", text, decoded)
		}
	}
}

func TestIsJSON(t *testing.T) {
	for body, want := range map[string]bool{` {"a":1}`: true, "[]": true, "a=1": false, "{a=1": false, "": false, "1": false} {
		if payload.IsJSON([]byte(body)) != want {
			t.Errorf("%q: want %v", body, want)
		}
	}
}

// FuzzElements compares with encoding/json.
func FuzzElements(f *testing.F) {
	for _, seed := range []string{`[]`, `[1,"a",{"b":[null]}]`, `["\\\"",[]]`, `[`, `[1 2]`, " [\n{} ]\t", `{"a":1}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got [][]byte
		err := payload.Elements(body, func(e []byte) bool {
			got = append(got, e)
			return true
		})
		var want []json.RawMessage
		parsed := json.Unmarshal(body, &want)
		if (parsed == nil && payload.IsArray(body)) != (err == nil) {
			t.Fatalf("%q: %v, but encoding/json says %v", body, err, parsed)
		}
		if err == nil && !slices.EqualFunc(got, want, func(a []byte, b json.RawMessage) bool { return bytes.Equal(a, b) }) {
			t.Fatalf("%q became %q, want %q", body, got, want)
		}
	})
}

// FuzzFormObject compares with net/url.
func FuzzFormObject(f *testing.F) {
	for _, seed := range []string{"a=1&b=2", "a&a=%41", "%zz", "a=%ff", "+=+", "&&=", "a;b=1"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, form []byte) {
		out, err := payload.FormObject(nil, form)
		if err != nil {
			return
		}
		var object map[string]any
		if err := json.Unmarshal(out, &object); err != nil {
			t.Fatalf("%q became %q: %v", form, out, err)
		}
		want, err := url.ParseQuery(string(form))
		if err != nil && !strings.Contains(err.Error(), "semicolon") {
			t.Fatalf("%q was taken, but net/url says %v", form, err)
		}
		if err == nil && len(want) != len(object) {
			t.Fatalf("%q became %s, want the names of %v", form, out, want)
		}
		for name := range want {
			if _, there := object[name]; !there && utf8.ValidString(name) {
				t.Fatalf("%q became %s, which has no %q", form, out, name)
			}
		}
	})
}

// FuzzLines: the lines, joined, are the body but for its line ends.
func FuzzLines(f *testing.F) {
	for _, seed := range []string{"a\nb", "\r\n\n", "a\r\r\n\x00", ""} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		parts := strings.Split(string(body), "\n")
		last := 0
		for number, line := range payload.Lines(body) {
			if number <= last || strings.TrimSuffix(parts[number-1], "\r") != string(line) {
				t.Fatalf("line %d of %q is %q", number, body, line)
			}
			last = number
		}
	})
}
