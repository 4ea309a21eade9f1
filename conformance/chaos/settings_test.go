package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ekaf-go/ekaf"
)

func TestHelpListsExamplesFlagsAndKinds(t *testing.T) {
	var out bytes.Buffer
	if code := command(t.Context(), []string{"-help"}, &out, &out); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"chaos -embedded -time 10s", "-overlap", "blackhole", "lost-answers"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not mention %q", want)
		}
	}
}

func TestWrongUsageIsToldAtOnce(t *testing.T) {
	for _, args := range [][]string{{"-brokers", "0"}, {"-time", "-1s"}, {"-only", "earthquake"}, {"-verbs", "Send"}, {"-nonsense"}, {"more"}} {
		var out bytes.Buffer
		if code := command(t.Context(), args, &out, &out); code != 2 || !strings.Contains(out.String(), "chaos: cannot ") {
			t.Errorf("%v: exit code %d, %q", args, code, out.String())
		}
	}
}

// plans of a seed, as text.
func plans(t *testing.T, args ...string) (text []string) {
	t.Helper()
	s, err := parse(args, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range s.plan(nil) {
		text = append(text, fmt.Sprint(f.at, f.lasts, f.kind.name))
	}
	for i := range s.producers {
		text = append(text, s.draw(i).String())
	}
	return text
}

func TestTheSeedMakesThePlan(t *testing.T) {
	first := plans(t, "-seed", "7", "-faults", "50")
	if again := plans(t, "-seed", "7", "-faults", "50"); !slices.Equal(first, again) {
		t.Errorf("one seed, two plans:\n%v\n%v", first, again)
	}
	if other := plans(t, "-seed", "8", "-faults", "50"); slices.Equal(first, other) {
		t.Error("two seeds, one plan")
	}
	for _, one := range plans(t, "-seed", "7", "-only", "kill,pause", "-without", "pause", "-producers", "1")[:20] {
		if !strings.HasSuffix(one, "kill") {
			t.Errorf("the plan has %q", one)
		}
	}
}

func TestRefusedBy(t *testing.T) {
	partly := &ekaf.RefusedError{Refused: []int{1}, Err: ekaf.ErrFull}
	for _, test := range []struct {
		err  error
		told int
		want []int
		bad  bool
	}{
		{nil, 0, nil, false},
		{partly, 0, []int{1}, false},
		{ekaf.ErrFull, 0, []int{0, 1, 2}, false},
		{ekaf.ErrWithdrawn, 3, nil, false}, // told by their callbacks
		{errors.New("odd"), 2, nil, true},
	} {
		got, fault := refusedBy(test.err, test.told, 3)
		if !slices.Equal(got, test.want) || (fault != nil) != test.bad {
			t.Errorf("%v, %d told: refused %v, fault %v", test.err, test.told, got, fault)
		}
	}
}
