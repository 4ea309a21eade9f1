package dashboard

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"time"
)

//go:embed assets
var embedded embed.FS

// asset is a file of the page.
type asset struct {
	name, kind, tag string
	content         []byte
}

var contentTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
}

// policy lets the page load its own files and talk to its own server, and nothing
// else. No script or style is inline, and no text becomes markup.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

const pageName = "index.html"

// loadAssets reads what is embedded; that it is there was seen by the compiler.
func loadAssets() map[string]*asset {
	entries, err := embedded.ReadDir("assets")
	if err != nil {
		panic(err)
	}
	all := map[string]*asset{}
	for _, entry := range entries {
		content, err := embedded.ReadFile("assets/" + entry.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		all[entry.Name()] = &asset{
			name: entry.Name(), kind: contentTypes[path.Ext(entry.Name())],
			tag: `"` + hex.EncodeToString(sum[:8]) + `"`, content: content,
		}
	}
	return all
}

func (b *Board) page() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { b.assets[pageName].serve(w, r) })
}

func (b *Board) files() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := b.assets[r.PathValue("file")]
		if a == nil || a.name == pageName {
			refuse(w, http.StatusNotFound, "the dashboard has no such file")
			return
		}
		a.serve(w, r)
	})
}

// serve answers with the file, or, to who has it, with 304. It is asked for each
// time: another version of the program has other files under the same names.
func (a *asset) serve(w http.ResponseWriter, r *http.Request) {
	header := w.Header()
	protect(header)
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Content-Type", a.kind)
	header.Set("ETag", a.tag)
	http.ServeContent(w, r, a.name, time.Time{}, bytes.NewReader(a.content))
}

// protect sets what browsers are to enforce.
func protect(header http.Header) {
	header.Set("Content-Security-Policy", policy)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// refuse answers as the gateway does.
func refuse(w http.ResponseWriter, status int, text string) {
	protect(w.Header())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(mustJSON(map[string]string{"error": text})) // who has gone does not hear it
}
