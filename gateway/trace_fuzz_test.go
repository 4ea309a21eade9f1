package gateway

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzTraceContext holds the readers of trace headers, which come from anybody,
// against expressions that say the same in another way.
func FuzzTraceContext(f *testing.F) {
	f.Add("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "a=1, b=2")
	f.Add("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more", "a=1,,")
	f.Add("00-00000000000000000000000000000000-b7ad6b7169203331-01", " , ")
	f.Add("\x80", "a=\x00")
	f.Add("", "=")
	parent := regexp.MustCompile(`^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-[ -~]*)?$`)
	f.Fuzz(func(t *testing.T, text, list string) {
		p := parent.FindStringSubmatch(text)
		valid := p != nil && len(text) <= maxParent && p[1] != "ff" && (p[1] != "00" || p[4] == "") &&
			strings.Trim(p[2], "0") != "" && strings.Trim(p[3], "0") != ""
		if got := isTraceParent(text); got != valid {
			t.Errorf("%q: %v, want %v", text, got, valid)
		}
		got := members(strings.Split(list, "\n"), 40, 4)
		if got != "" && (len(got) > 40 || strings.ContainsAny(got, "\r\n\x00") || !strings.Contains(got, "=")) {
			t.Errorf("%q: %q", list, got)
		}
		if again := members([]string{got}, 40, 4); again != got {
			t.Errorf("%q: %q, then %q", list, got, again)
		}
	})
}
