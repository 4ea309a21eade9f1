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
)

// brokerVariable makes this test binary an embedded broker and nothing else.
const brokerVariable = "EKAF_TEST_RUN_BROKER"

// TestMain fails the package if a goroutine outlives its producer.
func TestMain(m *testing.M) {
	if os.Getenv(brokerVariable) != "" {
		os.Exit(runBroker())
	}
	goleak.VerifyTestMain(m)
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
