package properties

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestParseJava(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []Property
	}{
		{"plain", "linger.ms=5\nacks = all\n", []Property{{"linger.ms", "5", 1}, {"acks", "all", 2}}},
		{"comments and blanks", "# a\n! b\n\n  \t\n  acks=1", []Property{{"acks", "1", 5}}},
		{"colon and space", "a: 1\nb 2\nc\t=\t3", []Property{{"a", "1", 1}, {"b", "2", 2}, {"c", "3", 3}}},
		{"no value", "a=\nb", []Property{{"a", "", 1}, {"b", "", 2}}},
		{"continued", "a=one \\\n   two\\\n\nb=3", []Property{{"a", "one two", 1}, {"b", "3", 4}}},
		{"comment mark inside a continuation", "a=x\\\n#y", []Property{{"a", "x#y", 1}}},
		{"even backslashes do not continue", `a=x\\` + "\nb=1", []Property{{"a", `x\`, 1}, {"b", "1", 2}}},
		{"escapes", `a\=b\:c=\t\n\q\u00e9`, []Property{{"a=b:c", "\t\nqé", 1}}},
		{"surrogate pair", `a=\ud83d\ude00`, []Property{{"a", "😀", 1}}},
		{"half a pair", `a=\ud83dx`, []Property{{"a", "\ufffdx", 1}}},
		{"value keeps = and trailing space", "a=b=c ", []Property{{"a", "b=c ", 1}}},
		{"CRLF and CR", "a=1\r\nb=2\rc=3", []Property{{"a", "1", 1}, {"b", "2", 2}, {"c", "3", 3}}},
		{"byte order mark", "\ufeffa=1", []Property{{"a", "1", 1}}},
		{"quotes stay", `jaas=M required user="a";`, []Property{{"jaas", `M required user="a";`, 1}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseJava(strings.NewReader(c.text))
			if err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseJavaFaultsNameTheLineOnly(t *testing.T) {
	for _, text := range []string{"a=1\nb=hunter2\\u12", "a=1\n=hunter2"} {
		_, err := ParseJava(strings.NewReader(text))
		if err == nil || !strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

func TestParseConf(t *testing.T) {
	got, err := ParseConf(strings.NewReader("# kcat\nssl.ca.location = C:\\certs\\new.pem\r\n\nsasl.password=a=b\\n\n"))
	want := []Property{{"ssl.ca.location", `C:\certs\new.pem`, 2}, {"sasl.password", `a=b\n`, 4}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	if _, err := ParseConf(strings.NewReader("a=1\nhunter2\n")); err == nil ||
		!strings.Contains(err.Error(), "line 2") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a line without = gave %v", err)
	}
}

func TestReadFile(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.properties"), `v=x\\y`)
	write(t, filepath.Join(dir, "a.conf"), `v=x\\y`)
	for name, want := range map[string]string{"a.properties": `x\y`, "a.conf": `x\\y`} {
		got, err := ReadFile(filepath.Join(dir, name))
		if err != nil || len(got) != 1 || got[0].Value != want {
			t.Errorf("%s: got %+v, %v", name, got, err)
		}
	}
	missing := filepath.Join(dir, "none")
	if _, err := ReadFile(missing); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("a missing file gave %v", err)
	}
	big := filepath.Join(dir, "big")
	write(t, big, strings.Repeat("#\n", maxFileBytes/2+1))
	if _, err := ReadFile(big); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file gave %v", err)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func FuzzParseJava(f *testing.F) {
	for _, seed := range []string{"a=1", "a\\\n=1", "\\u00e9=\\ud83d\\ude00", "a:b\r\rc d\n", "#\\\na", "\\", "a=\\"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseJava(strings.NewReader(text))
		for _, p := range list {
			if err == nil && (p.Name == "" || p.Line < 1 || len(p.Name)+len(p.Value) > 3*len(text)) {
				t.Errorf("%q gave %+v", text, p)
			}
		}
		if list, err := ParseConf(strings.NewReader(text)); err == nil && len(list) > strings.Count(text, "\n")+1 {
			t.Errorf("%q gave %d properties", text, len(list))
		}
	})
}
