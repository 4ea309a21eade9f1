package listen

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a listener of net.Pipe.
type pipes chan net.Conn

func (p pipes) Accept() (net.Conn, error) { return <-p, nil }
func (p pipes) Close() error              { return nil }
func (p pipes) Addr() net.Addr            { return &net.UnixAddr{} }

func TestAClientThatDoesNotReadIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		p := make(pipes, 1)
		p <- ours
		c, err := Limits{Write: time.Minute}.Around(p).Accept()
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // slow, but it reads
			go func() {
				time.Sleep(50 * time.Second)
				_, _ = theirs.Read(make([]byte, 1))
			}()
			if _, err := c.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("a write to somebody who does not read: %v", err)
		}
	})
}

func TestConnectionsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := make(pipes, 2)
		for range 2 {
			ours, _ := net.Pipe()
			p <- ours
		}
		l := Limits{Connections: 1}.Around(p)
		first, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan net.Conn)
		go func() {
			c, _ := l.Accept()
			second <- c
		}()
		synctest.Wait()
		select {
		case <-second:
			t.Error("a second connection is accepted")
		default:
		}
		if err := first.Close(); err != nil {
			t.Fatal(err)
		}
		<-second
	})
}

func TestOpen(t *testing.T) {
	l, activated, err := Open("127.0.0.1:0", Limits{})
	if err != nil || activated {
		t.Fatalf("activated %v, %v", activated, err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, _, err := Open("not an address", Limits{}); err == nil {
		t.Error("it is listened on what is not an address")
	}
}

func TestFaultsOfTLS(t *testing.T) {
	for _, faulty := range []TLS{
		{Certificate: "a"}, {Key: "a"}, {Certificate: "none", Key: "none"}, {Certificate: "a", Key: "b", Required: true},
	} {
		if _, err := NewSecure(faulty, nil); err == nil || !faulty.On() {
			t.Errorf("%+v is taken", faulty)
		}
	}
}
