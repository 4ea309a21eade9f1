package ekaftest_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func dialBroker(t *testing.T, c *ekaftest.Cluster, broker int) net.Conn {
	t.Helper()
	conn, err := c.Dialer()(t.Context(), "tcp", c.Addrs()[broker])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// request writes one ApiVersions request, of 22 bytes, answered by any broker.
func request(conn net.Conn) error {
	_, err := conn.Write(kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), 7))
	return err
}

func answer(conn net.Conn) (int, error) {
	var size [4]byte
	if n, err := io.ReadFull(conn, size[:]); err != nil {
		return n, err
	}
	n, err := io.CopyN(io.Discard, conn, int64(size[0])<<24|int64(size[1])<<16|int64(size[2])<<8|int64(size[3]))
	return int(n) + 4, err
}

func TestRefuse(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, opts...)
		old := dialBroker(t, c, 0)
		if err := request(old); err != nil {
			t.Fatal(err)
		}
		if _, err := answer(old); err != nil { // now it is accepted for sure
			t.Fatal(err)
		}
		c.Network(0).Refuse()
		if conn, err := c.Dialer()(t.Context(), "tcp", c.Addrs()[0]); err == nil {
			conn.Close()
			t.Error("a refusing broker accepts connections")
		}
		if err := request(old); err != nil {
			t.Error(err)
		}
		if _, err := answer(old); err != nil {
			t.Errorf("a connection made before was not served: %v", err)
		}
		if err := c.Network(0).Heal(); err != nil {
			t.Fatal(err)
		}
		dialBroker(t, c, 0)
	})
}

func TestStopBrokerIsForOneBroker(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, append(opts, ekaftest.Brokers(2))...)
		conns := []net.Conn{dialBroker(t, c, 0), dialBroker(t, c, 1)}
		if err := c.StopBroker(0); err != nil {
			t.Fatal(err)
		}
		if _, err := answer(conns[0]); err == nil {
			t.Error("the stopped broker's connection lives")
		}
		if err := request(conns[1]); err != nil {
			t.Error(err)
		}
		if _, err := answer(conns[1]); err != nil {
			t.Errorf("the other broker's connection died: %v", err)
		}
		if _, open := c.Connections(0); open != 0 {
			t.Errorf("%d connections of the stopped broker are open", open)
		}
		if accepted, open := c.Connections(1); accepted != 1 || open != 1 {
			t.Errorf("the other broker counts %d connections, %d open; want 1, 1", accepted, open)
		}
		if err := c.StartBroker(0); err != nil {
			t.Fatal(err)
		}
		dialBroker(t, c, 0)
		if c.StopBroker(2) == nil || c.StartBroker(-1) == nil {
			t.Error("brokers that do not exist can be stopped and started")
		}
	})
}

func TestCut(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, opts...)
		conn := dialBroker(t, c, 0)
		if err := request(conn); err != nil {
			t.Fatal(err)
		}
		if _, err := answer(conn); err != nil {
			t.Fatal(err)
		}
		c.Network(0).Cut()
		if _, err := answer(conn); err == nil {
			t.Error("a cut connection answers")
		}
	})
}

func TestCutAfter(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, opts...)
		conn := dialBroker(t, c, 0)
		c.Network(0).CutAfter(10, ekaftest.ToClient)
		if err := request(conn); err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(conn); len(got) != 10 {
			t.Errorf("%d bytes of the answer arrived (%v), want 10", len(got), err)
		}
		served := c.Requests(kmsg.ApiVersions)
		conn = dialBroker(t, c, 0)
		c.Network(0).CutAfter(10, ekaftest.ToBroker)
		request(conn) // fails or not, as the reset comes
		if _, err := answer(conn); err == nil {
			t.Error("a request cut short was answered")
		}
		if now := c.Requests(kmsg.ApiVersions); now != served {
			t.Errorf("a request cut short was carried out")
		}
		conn = dialBroker(t, c, 0) // one cut, not all
		if err := request(conn); err != nil {
			t.Fatal(err)
		}
		if _, err := answer(conn); err != nil {
			t.Error(err)
		}
	})
}

func TestBlackholeKeepsWhatIsUnderway(t *testing.T) {
	networks(t, func(t *testing.T, opts ...ekaftest.Option) {
		c := ekaftest.Start(t, opts...)
		conn := dialBroker(t, c, 0)
		c.Network(0).Blackhole()
		go request(conn) // in memory there is no buffer to take it meanwhile
		conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		if n, err := answer(conn); err == nil || n > 0 {
			t.Fatalf("%d bytes came out of a black hole", n)
		}
		conn.SetReadDeadline(time.Time{})
		if err := c.Network(0).Heal(); err != nil {
			t.Fatal(err)
		}
		if _, err := answer(conn); err != nil {
			t.Errorf("what was underway did not arrive: %v", err)
		}
	})
}

func TestDelayIsALatency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory())
		conn := dialBroker(t, c, 0)
		c.Network(0).Delay(time.Minute)
		began := time.Now()
		go func() {
			for range 5 {
				request(conn)
			}
		}()
		for range 5 {
			if _, err := answer(conn); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("five answers together took %v, want 1m", took)
		}
	})
}

func TestBlackholedDialHangsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := ekaftest.Start(t, ekaftest.InMemory())
		c.Network(0).Blackhole()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if _, err := c.Dialer()(ctx, "tcp", c.Addrs()[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dialing into a black hole: %v", err)
		}
	})
}

func TestDialNobody(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory())
	if _, err := c.Dialer()(t.Context(), "tcp", "nobody.ekaftest:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("dialing nobody: %v", err)
	}
}

func TestFixedPort(t *testing.T) {
	free := ekaftest.Start(t)
	_, port, _ := net.SplitHostPort(free.Addrs()[0])
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ekaftest.New(ekaftest.Ports(number)); err == nil {
		t.Error("two clusters listen on one port")
	}
	free.Close()
	c := ekaftest.Start(t, ekaftest.Ports(number, 0))
	if len(c.Addrs()) != 2 || c.Addrs()[0] != "127.0.0.1:"+port {
		t.Errorf("brokers listen on %v, want two and the first on port %s", c.Addrs(), port)
	}
}

func TestWrongOptions(t *testing.T) {
	for name, opt := range map[string]ekaftest.Option{
		"brokers":    ekaftest.Brokers(0),
		"port":       ekaftest.Ports(70000),
		"topic":      ekaftest.Topic("", 1),
		"partitions": ekaftest.Topic("events", 0),
		"autocreate": ekaftest.AutoCreate(0),
		"release":    ekaftest.KafkaVersion("17"),
		"expiry":     ekaftest.ProducerExpiry(0, time.Second),
		"mechanism":  ekaftest.SASL("CRAM-MD5", "ann", "secret"),
	} {
		if c, err := ekaftest.New(opt, ekaftest.InMemory()); err == nil {
			c.Close()
			t.Errorf("a wrong option passed: %s", name)
		}
	}
}

func TestAfterClose(t *testing.T) {
	c := ekaftest.Start(t, ekaftest.InMemory(), ekaftest.Topic("events", 1))
	c.Close()
	c.Close()
	if c.StartBroker(0) == nil || c.Restart() == nil || c.RestartEmpty() == nil || c.CreateTopic("more", 1) == nil {
		t.Error("a closed cluster does something")
	}
	if _, err := c.Consume("events"); err == nil {
		t.Error("a closed cluster has messages")
	}
}
