package realkafka

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// portLease holds ports for the life of a cluster.
//
// A free port found by listening on it and closing again is not ours: while our
// broker is killed and not yet started again, another test's cluster could take
// its port, and clients would talk to the wrong Kafka. So every port has a lock
// file which lives as long as the cluster.
//
// Ports inside the ephemeral range are never used: a client which retries such a
// port while its broker is down may be given that very port as its own end, and
// then TCP connects the socket to itself.
type portLease struct {
	ports []int
	locks []*os.File
}

func leasePorts(count int) (*portLease, error) {
	dir := filepath.Join(os.TempDir(), "ekaf-realkafka-ports")
	// Every user of the machine may run tests; the sticky bit keeps them apart.
	if err := os.MkdirAll(dir, 0o777|os.ModeSticky); err != nil {
		return nil, fmt.Errorf("cannot make the directory of port locks: %w", err)
	}
	low, high := portRange()
	lease := &portLease{}
	start := rand.IntN(high - low)
	for i := 0; i < high-low && len(lease.ports) < count; i++ {
		port := low + (start+i)%(high-low)
		lock, err := tryLock(filepath.Join(dir, strconv.Itoa(port)+".lock"))
		if errors.Is(err, errLocked) || errors.Is(err, os.ErrPermission) {
			continue
		}
		if err != nil {
			lease.release()
			return nil, fmt.Errorf("cannot lock port %d: %w", port, err)
		}
		if !portFree(port) {
			lock.Close()
			continue
		}
		lease.ports = append(lease.ports, port)
		lease.locks = append(lease.locks, lock)
	}
	if len(lease.ports) < count {
		lease.release()
		return nil, fmt.Errorf("cannot find %d free ports between %d and %d", count, low, high)
	}
	return lease, nil
}

// take hands out the next port; leasePorts was told how many there will be.
func (l *portLease) take() int {
	port := l.ports[0]
	l.ports = l.ports[1:]
	return port
}

func (l *portLease) release() {
	for _, lock := range l.locks {
		lock.Close()
	}
	l.locks = nil
}

func portFree(port int) bool {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return false
	}
	listener.Close()
	return true
}

// portRange is where ports are looked for: below the ephemeral range. Elsewhere
// than on Linux that range starts at 49152 by default.
func portRange() (low, high int) {
	const lowest, highest, least = 11_000, 30_000, 1_000
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return lowest, highest
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return lowest, highest
	}
	first, err1 := strconv.Atoi(fields[0])
	last, err2 := strconv.Atoi(fields[1])
	switch {
	case err1 != nil || err2 != nil:
		return lowest, highest
	case first-lowest >= least:
		return lowest, min(highest, first)
	case 65_535-last >= least:
		return last + 1, 65_535
	default:
		return lowest, highest
	}
}
