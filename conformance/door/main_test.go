package door

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// program is the path of ekaf, built once for all tests.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "door")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "ekaf")
	if runtime.GOOS == "windows" {
		program += ".exe"
	}
	if out, err := exec.Command("go", "build", "-o", program, "../../cmd/ekaf").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "cannot build ekaf: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// gateway is "ekaf serve" in a process of its own.
type gateway struct {
	t   *testing.T
	url string
	cmd *exec.Cmd

	mu   sync.Mutex // guards the following
	said strings.Builder
	read chan struct{} // closed when it says no more
}

func serve(t *testing.T, args ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, read: make(chan struct{})}
	g.cmd = exec.Command(program, append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	errOut, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = g.cmd.Process.Kill() // it has ended, unless the test failed
		<-g.read
		_ = g.cmd.Wait()
		if t.Failed() {
			t.Logf("ekaf serve said\n%s", g.text())
		}
	})
	listening := make(chan string, 1)
	go g.listen(errOut, listening)
	g.url = <-listening
	if g.url == "" {
		t.Fatal("ekaf serve does not listen")
	}
	return g
}

var listeningOn = regexp.MustCompile(`listening on (\S+)`)

// listen keeps what the program says, and tells where it listens; "" if nowhere.
func (g *gateway) listen(errOut io.Reader, listening chan<- string) {
	defer close(g.read)
	defer close(listening)
	lines, told := bufio.NewScanner(errOut), false
	for lines.Scan() {
		g.mu.Lock()
		g.said.WriteString(lines.Text() + "\n")
		g.mu.Unlock()
		if found := listeningOn.FindStringSubmatch(lines.Text()); found != nil && !told {
			told = true
			listening <- found[1]
		}
	}
}

func (g *gateway) text() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.said.String()
}

// stop ends it in order, and gives its exit code.
func (g *gateway) stop() int {
	g.t.Helper()
	if err := g.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		g.t.Fatal(err)
	}
	<-g.read
	_ = g.cmd.Wait() // its exit code is the answer
	return g.cmd.ProcessState.ExitCode()
}
