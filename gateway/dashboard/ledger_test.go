package dashboard

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kerr"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/internal/conn"
)

// TestTheTenByName are shown from the start, with what each carried once it came.
func TestTheTenByName(t *testing.T) {
	l := newLedger()
	kinds, recent, faults, _ := l.view()
	if len(kinds) != 10 || recent != nil || faults != nil {
		t.Fatalf("%d kinds, %v, %v before anything happened", len(kinds), recent, faults)
	}
	for i, name := range []string{
		"time_to_connect", "worker_up", "worker_down", "worker_still_down", "time_down", "flush", "flushed_replied",
		"downtime_saved", "downtime_replayed", "max_downtime_buffer_reached",
	} {
		if kinds[i].Name != name || kinds[i].Last != nil || !kinds[i].Original {
			t.Errorf("kind %d is %+v", i, kinds[i])
		}
	}
	l.observe(&ekaf.Event{
		Kind: ekaf.EventFlushedReplied, Time: noon, Topic: "events", Partition: 2, Worker: 1, Broker: 3, Addr: "kafka:9092",
		Messages: 5, Took: 1500 * time.Microsecond, Err: kerr.NotEnoughReplicas,
	})
	l.observe(&ekaf.Event{Kind: ekaf.EventTopicState, Time: noon, Topic: "events", Partition: -1, Broker: -1, From: "ready", To: "downtime"})
	kinds, recent, _, _ = l.view()
	want := happening{
		At: noon.UnixMilli(), Kind: "flushed_replied", Topic: "events", Partition: 2, Worker: 1, Broker: 3, Addr: "kafka:9092",
		Messages: 5, Took: 1.5, Error: kerr.NotEnoughReplicas.Error(),
	}
	if k := kinds[6]; k.Count != 1 || *k.Last != want {
		t.Errorf("%+v", *k.Last)
	}
	if len(kinds) != 11 || kinds[10].Name != "topic_state" || kinds[10].Original {
		t.Errorf("%d kinds", len(kinds))
	}
	if len(recent) != 1 || recent[0].From != "ready" || recent[0].To != "downtime" || recent[0].Times != 1 {
		t.Errorf("recent: %+v", recent)
	}
	if l.addresses()[3] != "kafka:9092" {
		t.Errorf("addresses %v", l.addresses())
	}
}

func TestEachKindHasAMeaning(t *testing.T) {
	for _, k := range ekaf.EventKinds() {
		if meanings[k] == "" {
			t.Errorf("%s is not explained", k)
		}
	}
	newLedger().observe(&ekaf.Event{Kind: 255}) // of a later version
}

// TestRecentEventsAreBounded, and what several topics tell in turn takes a line each.
func TestRecentEventsAreBounded(t *testing.T) {
	l := newLedger()
	for i := range 1000 {
		l.observe(&ekaf.Event{Kind: ekaf.EventDowntimeSaved, Time: noon.Add(time.Duration(i) * time.Second), Topic: fmt.Sprint("t", i%3), Partition: -1, Broker: -1})
	}
	if _, recent, _, version := l.view(); len(recent) != 3 || recent[0].Topic != "t0" || recent[0].Times != 334 || version != 1000 {
		t.Errorf("%+v", recent)
	}
	saved := ekaf.Event{Kind: ekaf.EventDowntimeSaved, Time: noon.Add(1000*time.Second + oneOutage), Topic: "t0", Partition: -1, Broker: -1}
	l.observe(&saved) // of another outage
	moved := ekaf.Event{Kind: ekaf.EventTopicState, Time: saved.Time, Topic: "t0", Partition: -1, Broker: -1, From: "ready", To: "downtime"}
	l.observe(&moved)
	l.observe(&moved)
	if _, recent, _, _ := l.view(); len(recent) != 6 || recent[0].Times != 1 || recent[2].Times != 1 {
		t.Errorf("%+v", recent)
	}
	for i := range 1000 {
		l.observe(&ekaf.Event{Kind: ekaf.EventWorkerUp, Time: noon.Add(time.Hour), Topic: fmt.Sprint("t", i), Partition: int32(i), Addr: fmt.Sprint(i), Broker: int32(i)})
	}
	if _, recent, _, _ := l.view(); len(recent) != maxRecent || recent[0].Topic != "t999" || recent[maxRecent-1].Topic != "t900" {
		t.Errorf("%d recent events", len(recent))
	}
	for i := range 2 * maxAddresses {
		l.observe(&ekaf.Event{Kind: ekaf.EventWorkerUp, Addr: "a", Broker: int32(i)})
	}
	if n := len(l.addresses()); n > maxAddresses {
		t.Errorf("%d addresses", n)
	}
}

// TestErrorsAreBounded: the same is counted, the one that came longest ago goes.
func TestErrorsAreBounded(t *testing.T) {
	l := newLedger()
	fail := func(second int, err error) {
		l.observe(&ekaf.Event{Kind: ekaf.EventRetry, Time: noon.Add(time.Duration(second) * time.Second), Topic: "events", Err: err})
	}
	for i := range maxFaults {
		fail(i, fmt.Errorf("error %d", i))
	}
	fail(100, errors.New("error 0")) // again
	fail(101, errors.New("one more"))
	_, _, faults, _ := l.view()
	if len(faults) != maxFaults || faults[0].Text != "one more" || faults[1].Text != "error 0" || faults[maxFaults-1].Text != "error 2" {
		t.Errorf("%+v", faults)
	}
	if f := faults[1]; f.Times != 2 || f.First != noon.UnixMilli() || f.Last != noon.Add(100*time.Second).UnixMilli() || f.Kind != "retry" || f.Topic != "events" || f.Advice != general {
		t.Errorf("%+v", f)
	}
	fail(102, errors.New(strings.Repeat("ü", 10_000)))
	if _, _, faults, _ := l.view(); len(faults[0].Text) > maxText+10 || !utf8.ValidString(faults[0].Text) {
		t.Errorf("an error of %d bytes is kept", len(faults[0].Text))
	}
}

// TestWhatToDo: each error of the library has advice of its own, also inside of
// others, and by the name that Stats gives it.
func TestWhatToDo(t *testing.T) {
	for _, err := range []error{
		ekaf.ErrClosed, ekaf.ErrFull, ekaf.ErrDropped, ekaf.ErrTimeout, ekaf.ErrUnknownTopic, ekaf.ErrUnknownPartition, ekaf.ErrInvalidTopic,
		ekaf.ErrTooLarge, ekaf.ErrNotPermitted, ekaf.ErrTryAgain, ekaf.ErrUndecidable, ekaf.ErrWithdrawn, ekaf.ErrHeadersUnsupported, ekaf.ErrIdempotenceUnsupported,
		kerr.NotEnoughReplicas, kerr.InvalidTimestamp, kerr.SaslAuthenticationFailed,
	} {
		reason := err.Error()
		if k, ok := err.(*kerr.Error); ok { //nolint:errorlint // these are not wrapped
			reason = k.Message
		}
		for _, got := range []string{adviceFor(fmt.Errorf("cannot deliver: %w", err)), adviceOf(reason)} {
			if got == general || got == "" {
				t.Errorf("nothing is said of %v", err)
			}
		}
	}
	for err, want := range map[error]string{
		&conn.PeerError{Addr: "kafka:9092", Problem: conn.ErrUnknownHost, Cause: errors.New("no such host")}: "advertised.listeners",
		&conn.PeerError{Addr: "kafka:9092", Problem: conn.ErrNeedsTLS}:                                       "security.protocol",
		&conn.TimeoutError{Addr: "kafka:9092", API: "Produce"}:                                               "does not answer",
		&ekaf.DeliveryError{Topic: "events", Partition: -1, Code: 29, Err: kerr.TopicAuthorizationFailed}:    "Grant",
		fmt.Errorf("%w: %w", ekaf.ErrUnknownTopic, context.DeadlineExceeded):                                 "Create the topic",
		errors.New("something else"): "docs/errors.md",
	} {
		if got := adviceFor(err); !strings.Contains(got, want) {
			t.Errorf("%v: %s", err, got)
		}
	}
	if adviceOf("SOMETHING_NEW") != general {
		t.Error("an unknown reason has no advice")
	}
}

// TestObserveTogether is for the race detector.
func TestObserveTogether(t *testing.T) {
	l := newLedger()
	var running sync.WaitGroup
	for range 4 {
		running.Go(func() {
			for i := range 500 {
				l.observe(&ekaf.Event{Kind: ekaf.EventKind(1 + i%23), Time: noon, Err: kerr.NotLeaderForPartition})
				l.view()
			}
		})
	}
	running.Wait()
	if _, _, faults, _ := l.view(); len(faults) != 1 || faults[0].Times != 2000 {
		t.Errorf("%+v", faults)
	}
}
