//go:build unix

package main

import (
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTheInstallLinesOfTheDocuments runs the lines of "Deployment" as they stand,
// below a directory of the test's, and then the unit's command with the files
// that they have put there.
func TestTheInstallLinesOfTheDocuments(t *testing.T) {
	for _, needed := range []string{"sh", "install", "openssl"} {
		if _, err := exec.LookPath(needed); err != nil {
			t.Skip(err)
		}
	}
	page, err := os.ReadFile("../../docs/gateway.md")
	if err != nil {
		t.Fatal(err)
	}
	unit, err := os.ReadFile("../../deploy/systemd/ekaf.service")
	if err != nil {
		t.Fatal(err)
	}
	_, lines, _ := strings.Cut(string(page), "\n## Deployment\n")
	_, lines, _ = strings.Cut(lines, "```sh\n")
	lines, _, _ = strings.Cut(lines, "```")
	if !strings.Contains(string(unit), "\nUser=ekaf\nGroup=ekaf\n") || !strings.Contains(lines, "useradd --system --user-group ") {
		t.Error("the lines make another user than the unit's")
	}

	sources, root := t.TempDir(), t.TempDir()
	a := newAuthority(t, sources)
	a.pair("gateway", filepath.Join(sources, "cert.pem"), filepath.Join(sources, "key.pem"))
	for from, to := range map[string]string{"../../deploy": "deploy", a.file: "kafka-ca.pem", os.Args[0]: "ekaf"} {
		from, err := filepath.Abs(from)
		if err == nil {
			err = os.Symlink(from, filepath.Join(sources, to))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, made := range []string{"usr/local/bin", "etc/systemd/system"} { // every system has these
		if err := os.MkdirAll(filepath.Join(root, made), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// The group and systemd are not this machine's.
	below := strings.NewReplacer(" /etc/", " "+root+"/etc/", " /usr/local/", " "+root+"/usr/local/", " -g ekaf", "")
	lines = below.Replace(lines)
	for word := range strings.FieldsSeq(lines) {
		if strings.HasPrefix(word, "/") && !strings.HasPrefix(word, root) && word != "/dev/null" && word != "/usr/sbin/nologin" {
			t.Fatalf("the lines would change this machine: %s", word)
		}
	}
	shell := exec.Command("sh", "-e", "-c", "useradd() { :; }; systemctl() { :; }\n"+lines)
	shell.Dir = sources
	if said, err := shell.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}

	config := filepath.Join(root, "etc/ekaf/gateway.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	put(t, config, strings.NewReplacer("/etc/ekaf", root+"/etc/ekaf", "kafka-1:9092, kafka-2:9092", "127.0.0.1:1").Replace(string(text)))
	for name, want := range map[string]os.FileMode{"": 0o750, "tls": 0o750, "gateway.yaml": 0o640, "tokens": 0o640, "tls/key.pem": 0o640} {
		is, err := os.Stat(filepath.Join(root, "etc/ekaf", name))
		if err != nil || is.Mode().Perm() != want {
			t.Errorf("%s: %v, %v; want %v", name, is.Mode(), err, want)
		}
	}
	_, command, _ := strings.Cut(string(unit), "\nExecStart=/usr/local/bin/ekaf serve ")
	command, _, _ = strings.Cut(command, "\n")
	// The message waits for brokers that there are not.
	s := startServe(t, append(strings.Fields(below.Replace(" "+command)), "--grace", "1ms")...)
	keys, err := os.ReadFile(filepath.Join(root, "etc/ekaf/tokens"))
	if err != nil {
		t.Fatal(err)
	}
	_, shop, _ := strings.Cut(strings.TrimSpace(string(keys)), "shop:")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: a.pool}}}
	for token, want := range map[string]int{shop: http.StatusOK, "x" + shop: http.StatusUnauthorized} {
		if got, _ := askStatus(t, client, s.url+"/async/orders", "Authorization", "Bearer "+token); got != want {
			t.Errorf("%d, want %d", got, want)
		}
	}
	s.signal(syscall.SIGTERM)
	s.wait()
}
