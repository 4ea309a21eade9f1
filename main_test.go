package ekaf_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/ekaf-go/ekaf/internal/machine"
)

// brokerVariable makes this test binary an embedded broker and nothing else.
const brokerVariable = "EKAF_TEST_RUN_BROKER"

// watched fails a package whose state machines made moves that they must not make.
type watched struct{ *testing.M }

func (w watched) Run() int {
	code := w.M.Run()
	if n := machine.Count(); n > 0 {
		fmt.Fprintf(os.Stderr, "%d moves of state machines were illegal; -tags invariants shows where\n", n)
		return 1
	}
	return code
}

// TestMain fails the package if a goroutine outlives its producer, or a state
// machine made an illegal move.
func TestMain(m *testing.M) {
	if os.Getenv(brokerVariable) != "" {
		os.Exit(runBroker())
	}
	goleak.VerifyTestMain(watched{m})
}

// runBroker serves until its standard input ends.
func runBroker() int {
	c, err := ekaftest.New(ekaftest.Topic("events", 4))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer c.Close()
	fmt.Println(strings.Join(c.Addrs(), ","))
	_, _ = io.Copy(io.Discard, os.Stdin)
	return 0
}

// brokerProcess starts an embedded broker in a process of its own, so that what
// this one allocates is the producer's.
func brokerProcess(t *testing.T) (addrs string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), brokerVariable+"=1")
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		_ = child.Wait() // it has served; how it ends is no matter of the test
	})
	if _, err := fmt.Fscanln(stdout, &addrs); err != nil {
		t.Fatal(err)
	}
	return addrs
}
