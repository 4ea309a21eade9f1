//go:build unix

package listen

import (
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	address := filepath.Join(t.TempDir(), "n")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	t.Setenv("NOTIFY_SOCKET", address)
	n := NewNotify()
	for want, say := range map[string]func() error{
		"READY=1": n.Ready, "RELOADING=1\nMONOTONIC_USEC=": n.Reloading,
		"STOPPING=1\nEXTEND_TIMEOUT_USEC=3000000": func() error { return n.Stopping(3 * time.Second) },
	} {
		if err := say(); err != nil {
			t.Fatal(err)
		}
		heard := make([]byte, 100)
		size, err := socket.Read(heard)
		if err != nil || !strings.HasPrefix(string(heard[:size]), want) {
			t.Errorf("systemd hears %q, want %q (%v)", heard[:size], want, err)
		}
	}
	if err := n.Watchdog(nil); err != nil {
		t.Errorf("without a watchdog: %v", err)
	}
}
