package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ekaf-go/ekaf"
)

const (
	demoRequests = 20
	demoOutageAt = 5 // the request before which the broker goes away
	demoRoom     = 8 // how many messages the topic may buffer: fewer than the outage brings
	demoPause    = 150 * time.Millisecond
	demoOutage   = 3 * time.Second
)

const demoLong = `The resilience demo of the original ekaf, told live: a broker is up, 20 requests
are made, the broker goes away in their midst and comes back, and each event is
printed as it happens. At the end stands what a consumer sees.

The topic may buffer 8 messages, so the outage fills the buffer: with the policy
Block the request then waits, and nothing is lost.

Without --brokers the broker is embedded in this process. With --brokers the
story is the same on a real cluster: no broker is stopped, but this program's
connections are cut and refused for the time of the outage. The messages go to
partition 0 of --topic, which is created if it does not exist.`

type demo struct {
	connection connection
	topic      string
}

func newDemo() *cobra.Command {
	d := &demo{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "See 20 requests survive an outage: buffered, replayed, none lost",
		Long:  demoLong,
		Example: `  ekaf demo
  ekaf demo --brokers kafka:9092 --topic ekaf-demo`,
		Args: cobra.NoArgs,
		RunE: runs(func(cmd *cobra.Command, _ []string) error { return d.run(cmd) }),
	}
	d.connection.flags(cmd.Flags())
	cmd.Flags().StringVarP(&d.topic, "topic", "t", "ekaf", "`TOPIC` to write to")
	complete(cmd, "topic", completeTopics(&d.connection))
	return cmd
}

// stage is the cluster that the story plays on.
type stage interface {
	// options are how the producer reaches it.
	options() []ekaf.Option
	// stop begins the outage, and start ends it.
	stop() error
	start() error
	// read gives what a consumer sees of the demo's messages, n of them if they come in time.
	read(ctx context.Context, n int) ([]string, error)
	// mark is a header's value that tells this run's messages from others in the topic.
	mark() []byte
	close()
}

const demoHeader = "ekaf-demo"

func (d *demo) run(cmd *cobra.Command) error {
	tell := &narrator{out: cmd.OutOrStdout(), seen: map[ekaf.EventKind]bool{}}
	scene, err := d.stage(cmd, tell)
	if err != nil {
		return err
	}
	defer scene.close()
	producer, err := ekaf.New(append(scene.options(),
		ekaf.OnEvent(tell.event),
		ekaf.Topic(d.topic, ekaf.TopicBufferMessages(demoRoom), ekaf.WhenFull(ekaf.Block)))...)
	if err != nil {
		return misuse{err}
	}
	story := d.play(cmd.Context(), producer, scene, tell)
	end, stop := context.WithTimeout(quitNow(cmd.Context()), 10*time.Second)
	defer stop()
	if err := errors.Join(story, producer.Close(end)); err != nil {
		return err
	}
	got, err := scene.read(end, demoRequests)
	if err != nil {
		return err
	}
	return d.judge(tell, got)
}

func (d *demo) stage(cmd *cobra.Command, tell *narrator) (stage, error) {
	if d.connection.brokers == "" && len(d.connection.config)+len(d.connection.property) == 0 {
		return newEmbeddedStage(d.topic, tell)
	}
	config, err := d.connection.resolve(cmd, d.connection.properties())
	if err != nil {
		return nil, err
	}
	return newClusterStage(cmd.Context(), config, d.topic, tell)
}

// play makes the requests. The outage ends by itself: one of the requests waits
// for that, as the buffer is full.
func (d *demo) play(ctx context.Context, producer *ekaf.Producer, scene stage, tell *narrator) error {
	ctx, stop := context.WithCancel(ctx)
	var outage sync.WaitGroup
	defer outage.Wait()
	defer stop()
	back := make(chan error, 1)
	for i := 1; i <= demoRequests; i++ {
		if i == demoOutageAt {
			if err := producer.Flush(ctx); err != nil {
				return err
			}
			if err := scene.stop(); err != nil {
				return err
			}
			outage.Go(func() { back <- d.endOutage(ctx, scene) })
		}
		tell.say("request %d", i)
		message := ekaf.Value(strconv.Itoa(i)).OnPartition(0).WithHeader(demoHeader, scene.mark())
		if err := producer.ProduceAsync(ctx, d.topic, message); err != nil {
			return fmt.Errorf("cannot make request %d: %w", i, err)
		}
		if err := sleep(ctx, demoPause); err != nil {
			return err
		}
	}
	if err := <-back; err != nil {
		return err
	}
	return producer.Flush(ctx)
}

func (d *demo) endOutage(ctx context.Context, scene stage) error {
	if err := sleep(ctx, demoOutage); err != nil {
		return err
	}
	return scene.start()
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// judge compares what a consumer sees with what was sent.
func (d *demo) judge(tell *narrator, got []string) error {
	quoted := make([]string, len(got))
	for i, v := range got {
		quoted[i] = strconv.Quote(v)
	}
	tell.say("")
	tell.say("what a consumer sees:")
	tell.say("kafka_consumer_loop INCOMING [%s]", strings.Join(quoted, ","))
	v := weigh(got, demoRequests)
	tell.say("%d of 10 kinds of events seen", tell.kinds())
	tell.say("%d of %d, %d lost, %d duplicated, %d out of order", v.arrived, demoRequests, v.lost, v.duplicated, v.disordered)
	if v != (verdict{arrived: demoRequests}) {
		return ended(exitSome)
	}
	return nil
}

type verdict struct{ arrived, lost, duplicated, disordered int }

// weigh judges a log that should hold 1 to n.
func weigh(got []string, n int) verdict {
	var v verdict
	seen := map[string]bool{}
	highest := 0
	for _, text := range got {
		if seen[text] {
			v.duplicated++
			continue
		}
		seen[text] = true
		number, err := strconv.Atoi(text)
		if err != nil || number < highest {
			v.disordered++
		}
		highest = max(highest, number)
	}
	for i := range n {
		if seen[strconv.Itoa(i+1)] {
			v.arrived++
		}
	}
	v.lost = n - v.arrived
	return v
}

// narrator prints the story and the events, a line each.
type narrator struct {
	mu   sync.Mutex // guards the following
	out  io.Writer
	seen map[ekaf.EventKind]bool
}

func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.out, format+"\n", args...)
}

// originals are the events that the original ekaf had.
var originals = []ekaf.EventKind{
	ekaf.EventTimeToConnect, ekaf.EventWorkerUp, ekaf.EventWorkerDown, ekaf.EventWorkerStillDown, ekaf.EventTimeDown,
	ekaf.EventFlush, ekaf.EventFlushedReplied, ekaf.EventDowntimeSaved, ekaf.EventDowntimeReplayed, ekaf.EventMaxDowntimeBufferReached,
}

func (n *narrator) kinds() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.seen)
}

// event prints one of the original's events, as the original printed them.
func (n *narrator) event(e ekaf.Event) {
	if !slices.Contains(originals, e.Kind) {
		return
	}
	n.mu.Lock()
	n.seen[e.Kind] = true
	n.mu.Unlock()
	name := e.Kind.String()
	if e.Kind == ekaf.EventWorkerDown {
		name = "mainbroker_unreachable"
	}
	at := ""
	if e.Broker >= 0 && e.Partition >= 0 {
		at = fmt.Sprintf(".broker%d.%d", e.Broker, e.Partition)
	}
	n.say("ekaf.%s%s => %s", name, at, eventValue(e))
}

func eventValue(e ekaf.Event) string {
	took := e.Took.Round(10 * time.Microsecond)
	switch e.Kind {
	case ekaf.EventTimeToConnect, ekaf.EventTimeDown, ekaf.EventWorkerStillDown:
		return took.String()
	case ekaf.EventFlush, ekaf.EventDowntimeSaved:
		return strconv.Itoa(e.Messages)
	case ekaf.EventFlushedReplied:
		return fmt.Sprintf("%d, diff %v", e.Messages, took)
	case ekaf.EventDowntimeReplayed:
		return fmt.Sprintf("%d during ready", e.Messages)
	case ekaf.EventMaxDowntimeBufferReached:
		return fmt.Sprintf("%d (the buffer holds %d; the request waits)", e.Messages, demoRoom)
	}
	return "1"
}
