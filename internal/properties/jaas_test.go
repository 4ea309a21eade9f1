package properties

import (
	"reflect"
	"strings"
	"testing"
)

func TestParseJAAS(t *testing.T) {
	const plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
	for _, c := range []struct {
		text string
		want map[string]string
	}{
		{plain + ` required username="a" password="b c;=";`, map[string]string{"username": "a", "password": "b c;="}},
		{plain + ` required username=a password='x"y' ;`, map[string]string{"username": "a", "password": `x"y`}},
		{plain + " required\n  username=\"a\"\n  password=\"\\\"q\\\\\"; ", map[string]string{"username": "a", "password": `"q\`}},
		{plain + ` REQUIRED useKeyTab=true keyTab="/etc/k.keytab" principal="u@R";`, map[string]string{"useKeyTab": "true", "keyTab": "/etc/k.keytab", "principal": "u@R"}},
		{plain + ` required /* note */ username="a" // end
		  ;`, map[string]string{"username": "a"}},
		{plain + ` required;`, map[string]string{}},
		{plain + ` required password="";`, map[string]string{"password": ""}},
	} {
		m, err := ParseJAAS(c.text)
		if err != nil || m.Class != plain || !reflect.DeepEqual(m.Options, c.want) {
			t.Errorf("%s: got %s %q, %v", c.text, m.Class, m.Options, err)
		}
		if m.Name() != "PlainLoginModule" || m.String() != "PlainLoginModule" {
			t.Errorf("the name is %q", m.Name())
		}
	}
}

func TestParseJAASFaultsHideTheText(t *testing.T) {
	for text, want := range map[string]string{
		``:                                    "class is missing",
		`M`:                                   "control flag is missing",
		`M sometimes;`:                        "control flag: required",
		`M required username="hunter2"`:       "semicolon",
		`M required username="hunter2;`:       "not closed",
		`M required hunter2;`:                 "option 1 is not NAME=VALUE",
		`M required a=b hunter2 = ;`:          "option 2 has no value",
		`M required ="hunter2";`:              "no name",
		`M required a="hunter2"; N required;`: "one login module",
		`M required /* hunter2`:               "not closed",
	} {
		_, err := ParseJAAS(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", text, err, want)
		}
	}
}

func FuzzParseJAAS(f *testing.F) {
	for _, seed := range []string{`a.B required c="d" e='f';`, `a b`, `a required b=\`, `/* `, `// x`, `a required "`, `;=;`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseJAAS(text)
		if err == nil && (m.Class == "" || len(m.Options) > len(text)) {
			t.Errorf("%q gave %q %q", text, m.Class, m.Options)
		}
	})
}
