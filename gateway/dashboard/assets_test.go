package dashboard

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

func get(h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", path, nil)
	r.SetPathValue("file", strings.TrimPrefix(path, "/dashboard/"))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// TestFiles: each with its type, its tag and the policy; and 304 to who has it.
func TestFiles(t *testing.T) {
	b := newBoard(t)
	for name := range b.assets {
		handler, path := b.files(), "/dashboard/"+name
		if name == pageName {
			handler, path = b.page(), "/"
		}
		w := get(handler, path)
		header := w.Header()
		if w.Code != 200 || w.Body.Len() == 0 || header.Get("Content-Type") == "" || header.Get("Cache-Control") != "private, no-cache" ||
			header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Cross-Origin-Resource-Policy") != "same-origin" {
			t.Errorf("%s: %d, %d bytes, %v", path, w.Code, w.Body.Len(), header)
		}
		policy := header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("%s: the policy lacks %s", path, part)
			}
		}
		if strings.Contains(policy, "unsafe") || strings.Contains(policy, "http") || strings.Contains(policy, "*") {
			t.Errorf("%s: the policy is %s", path, policy)
		}
		if w := get(handler, path, "If-None-Match", header.Get("ETag")); w.Code != 304 || w.Body.Len() != 0 {
			t.Errorf("%s: %d to who has it", path, w.Code)
		}
		if w := get(handler, path, "If-None-Match", `"another"`); w.Code != 200 {
			t.Errorf("%s: %d to who has another", path, w.Code)
		}
	}
	for _, path := range []string{"/dashboard/none.js", "/dashboard/index.html", "/dashboard/../board.go", "/dashboard/"} {
		if w := get(b.files(), path); w.Code != 404 || !strings.HasPrefix(w.Body.String(), `{"error":`) {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

// forbidden in what is served: what would need a weaker policy, load something
// from elsewhere, or make markup of what comes from outside.
var forbidden = []*regexp.Regexp{
	regexp.MustCompile(`(?i)<script(?:[^>]*[^>/])?>\s*[^<\s]`), regexp.MustCompile(`(?i)<style`), regexp.MustCompile(`(?i)\sstyle="`), regexp.MustCompile(`(?i)\son[a-z]+="`),
	regexp.MustCompile(`(?i)javascript:`), regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|createContextualFragment|setHTML`),
	regexp.MustCompile(`https?://[^w]`), regexp.MustCompile(`@import|\burl\(`),
}

// TestNothingInline: the files keep to their policy.
func TestNothingInline(t *testing.T) {
	for name, a := range newBoard(t).assets {
		for _, f := range forbidden {
			if found := f.Find(a.content); found != nil {
				t.Errorf("%s holds %q", name, found)
			}
		}
	}
}

// TestEveryFileIsThere that the page and its modules name, and none is left over.
func TestEveryFileIsThere(t *testing.T) {
	b := newBoard(t)
	named := map[string]bool{pageName: true}
	reference := regexp.MustCompile(`(?:"dashboard/|from "\./)([a-z]+\.[a-z]+)"`)
	for _, a := range b.assets {
		for _, match := range reference.FindAllSubmatch(a.content, -1) {
			named[string(match[1])] = true
		}
	}
	for name := range named {
		if b.assets[name] == nil {
			t.Errorf("%s is named, and not there", name)
		}
	}
	for name := range b.assets {
		if !named[name] {
			t.Errorf("%s is there, and nothing names it", name)
		}
	}
}
