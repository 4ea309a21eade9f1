package main

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ekaf-go/ekaf/bench/clients"
	"github.com/ekaf-go/ekaf/bench/load"
)

// plan is what the command line asks for.
type plan struct {
	tasks   []assignment
	rounds  int
	verify  bool
	pin     bool
	timeout time.Duration
	results string
	profile string
	brokers string // of a real cluster
	from    []string
	doc     string
	suite   string
	judged  bool // the suite has targets
}

// assignment is a row with all that is known of how to run it.
type assignment struct {
	row     load.Row
	clients []clients.Entry
	rounds  int
}

// options are what flags say and a plan does not keep.
type options struct {
	suite, only, match, from string
	quick                    bool
	scale                    float64
	buffer                   int // MiB
	tools                    tools
}

func parse(args []string) (plan, tools, error) {
	var p plan
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.StringVar(&o.suite, "suite", "quick", "rows to run: "+strings.Join(suiteNames(), ", "))
	fs.BoolVar(&o.quick, "quick", false, "the same as -suite quick")
	fs.StringVar(&o.only, "clients", "", "comma separated; default: those of the suite (all: every one of this build)")
	fs.StringVar(&o.match, "row", "", "only rows whose name contains this")
	fs.Float64Var(&o.scale, "scale", 1, "times the records of each row, warm-up included")
	fs.IntVar(&o.buffer, "buffer", 0, "MiB that each client may buffer; default: the row's own, 64")
	fs.IntVar(&p.rounds, "rounds", 3, "times each client does a row; 3 or more for a median")
	fs.BoolVar(&p.verify, "verify", false, "check every CRC and record in the broker; times mean nothing then")
	fs.BoolVar(&p.pin, "pin", true, "give client and broker a CPU each, where the platform can")
	fs.DurationVar(&p.timeout, "timeout", 2*time.Minute, "for one sample")
	fs.StringVar(&p.results, "results", "results", "directory for the samples as JSON lines; empty: none")
	fs.StringVar(&p.profile, "cpuprofile", "", "directory for a CPU profile of each sample; times are a little worse then")
	fs.StringVar(&p.brokers, "brokers", "", "a real cluster, `HOST:PORT[,...]`: the rows of real and targets that name Kafka run on it, and all rows of other suites")
	fs.StringVar(&o.from, "from", "", "take the samples from these files, comma separated, and run nothing")
	fs.StringVar(&p.doc, "doc", "", "write targets and tables into this `FILE[,...]`, between its markers")
	fs.StringVar(&o.tools.ekafPath, "ekaf", "", "the ekaf program; default: built from the module beside this one")
	fs.StringVar(&o.tools.javaLibs, "java-libs", "", "directory of Kafka's jars, for Java's producer; default: where conformance/realkafka keeps them")
	if err := fs.Parse(args); err != nil {
		return p, o.tools, err
	}
	switch {
	case fs.NArg() > 0:
		return p, o.tools, fmt.Errorf("cannot make sense of %q: rows are chosen by -suite and -row", fs.Args())
	case !(o.scale > 0) || math.IsInf(o.scale, 0): // NaN is not above 0 either
		return p, o.tools, fmt.Errorf("cannot run with -scale %v: it must be above 0", o.scale)
	case o.buffer < 0 || p.timeout <= 0:
		return p, o.tools, errors.New("cannot run: -buffer must not be below 0, and -timeout must be above")
	}
	if o.from != "" {
		p.from = strings.Split(o.from, ",")
	}
	return p, o.tools, p.choose(o)
}

// choose fills the plan's tasks.
func (p *plan) choose(o options) error {
	if o.quick {
		o.suite = "quick"
	}
	s, ok := suites[o.suite]
	if !ok {
		return fmt.Errorf("cannot run suite %q: there are %s", o.suite, strings.Join(suiteNames(), ", "))
	}
	if o.suite == "real" && p.brokers == "" && len(p.from) == 0 {
		return errors.New("cannot run suite real: name a cluster with -brokers (go run ./conformance/realkafka/cmd/realkafka starts one)")
	}
	p.suite, p.judged = o.suite, o.suite == "targets" || o.suite == "gateway"
	var asked []string
	if o.only != "" {
		asked = strings.Split(o.only, ",")
	}
	for _, t := range s.tasks() {
		if p.brokers != "" && !p.judged {
			t.row.Cluster = load.Kafka
		}
		if !strings.Contains(t.row.Name(), o.match) || !p.possible(t.row) {
			continue
		}
		t.row = scaled(t.row, o.scale)
		if o.buffer > 0 {
			t.row.Buffer = o.buffer << 20
		}
		a, err := p.assign(t, s.clients, asked)
		if err != nil {
			return err
		}
		if len(a.clients) > 0 {
			p.tasks = append(p.tasks, a)
		}
	}
	if len(p.tasks) == 0 || p.rounds < 1 {
		return errors.New("cannot run: no row is left, or no round")
	}
	return nil
}

// scaled is a row with more or fewer records, where their number is not the
// point of it.
func scaled(r load.Row, by float64) load.Row {
	if r.Measure != load.FirstAck && r.Measure != load.Idle && r.Measure != load.Rates {
		lines := max(r.Lines, 1) // of a request, which is asked as a whole
		times := func(n int) int { return int(float64(n/lines)*by) * lines }
		r.Records, r.Warmup = max(lines, times(r.Records)), times(r.Warmup)
	}
	if r.Measure == load.Connected {
		r.Goroutines = r.Records
	}
	return r
}

// possible reports whether a row can run where the plan runs: some need a real
// cluster, some the counting broker's obedience, and servers a system that tells
// what other processes cost.
func (p *plan) possible(r load.Row) bool {
	if r.HTTP() {
		return r.Cluster != load.Kafka && (runtime.GOOS == "linux" || len(p.from) > 0)
	}
	if r.Cluster == load.Kafka {
		return (p.brokers != "" || len(p.from) > 0) && r.Delay == 0 && r.Measure != load.Downtime
	}
	return true
}

// assign finds who does a task: the clients asked for on the command line, else
// the task's own, else the suite's.
func (p *plan) assign(t task, ofSuite, asked []string) (assignment, error) {
	a := assignment{row: t.row, rounds: p.rounds}
	if p.rounds >= 3 { // who asks for fewer wants to be quick
		a.rounds = max(p.rounds, t.rounds)
	}
	names := ofSuite
	if len(t.clients) > 0 {
		names = t.clients
	}
	if len(asked) > 0 {
		names = asked
	}
	entries, err := pick(names, t.row)
	a.clients = entries
	return a, err
}

// pick finds those of the clients named that do a row; "all" means every one of
// this build. Of programs, those that this machine lacks are left out.
func pick(names []string, row load.Row) ([]clients.Entry, error) {
	var found []clients.Entry
	add := func(e clients.Entry) {
		if !slices.ContainsFunc(found, func(f clients.Entry) bool { return f.Name == e.Name }) {
			found = append(found, e)
		}
	}
	for _, name := range names {
		e, isClient := clients.Find(name)
		p, isProgram := findProgram(name)
		sv, isServer := findServer(name)
		switch {
		case name == "all" && row.HTTP():
			for _, sv := range servers {
				add(sv.Entry)
			}
		case name == "all":
			for _, e := range clients.All() {
				if !onPipe(row) {
					add(e)
				}
			}
			for _, p := range programs {
				if p.does(row) && p.here() {
					add(p.Entry)
				}
			}
		case isServer && row.HTTP():
			add(sv.Entry)
		case isClient && !onPipe(row) && !row.HTTP():
			add(e)
		case isProgram && p.does(row) && p.here():
			add(p.Entry)
		case !isClient && !isProgram && !isServer && name != optional:
			return nil, fmt.Errorf("cannot run client %q: it is not in this build (confluent needs -tags confluent)", name)
		}
	}
	return found, nil
}

// optional is the client that suites name although not every build has it.
const optional = "confluent"
