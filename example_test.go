package ekaf_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/ekaftest"
)

// startKafka starts an embedded broker, so that the examples run anywhere.
func startKafka(topic string, partitions int32) *ekaftest.Cluster {
	kafka, err := ekaftest.New(ekaftest.Topic(topic, partitions))
	if err != nil {
		log.Fatal(err)
	}
	return kafka
}

// printTopic prints what a consumer of the topic sees.
func printTopic(kafka *ekaftest.Cluster, topic string) {
	messages, err := kafka.Consume(topic)
	if err != nil {
		log.Fatal(err)
	}
	for _, m := range messages {
		fmt.Printf("%s\n", m.Value)
	}
}

// Fire and forget: hand messages over and go on. Close delivers the rest.
func Example() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()

	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err) // lists every fault of the options at once
	}
	for _, name := range []string{"signup", "login", "logout"} {
		if err := p.ProduceAsync(ctx, "events", ekaf.Value(name)); err != nil {
			log.Print(err) // not accepted: the buffer is full, or the producer closed
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Print(err) // says how many messages of which topics were not delivered
	}
	printTopic(kafka, "events")
	// Output:
	// signup
	// login
	// logout
}

// A callback for a message gets its outcome, exactly once.
func ExampleMessage_Then() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}

	m := ekaf.KeyValue("user1", "login").Then(func(ack ekaf.Ack, err error) {
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Printf("%s[%d] offset %d\n", ack.Topic, ack.Partition, ack.Offset)
	})
	if err := p.ProduceAsync(ctx, "events", m); err != nil {
		log.Print(err)
	}
	if err := p.Close(ctx); err != nil { // waits for callbacks too
		log.Print(err)
	}
	// Output: events[0] offset 0
}

// A callback for a call hears once of all its messages, in the order they were given.
func ExampleProducer_ProduceAsyncFunc() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}

	done := func(acked ekaf.Acked, err error) {
		for i, ack := range acked.All() {
			fmt.Println("message", i, "offset", ack.Offset, ack.Err)
		}
	}
	if err := p.ProduceAsyncFunc(ctx, "events", done, ekaf.Values("a", "b", "c")...); err != nil {
		log.Print(err)
	}
	if err := p.Close(ctx); err != nil {
		log.Print(err)
	}
	// Output:
	// message 0 offset 0 <nil>
	// message 1 offset 1 <nil>
	// message 2 offset 2 <nil>
}

// Waiting for the ack of one message.
func ExampleProducer_ProduceSync() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	wait, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	ack, err := p.ProduceSync(wait, "events", ekaf.KeyValue("user1", "login"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("partition %d, worker %d, offset %d\n", ack.Partition, ack.Worker, ack.Offset)
	// Output: partition 0, worker 0, offset 0
}

// Waiting for many: one call, one wait, an ack for each message.
func ExampleProducer_ProduceSync_many() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	acked, err := p.ProduceSync(ctx, "events",
		ekaf.Value("foo"), ekaf.KeyValue("key", "value"), ekaf.Tombstone("gone"))
	if err != nil {
		log.Fatal(err) // the first failure; each ack has its own
	}
	for i, ack := range acked.All() {
		fmt.Println(i, ack.Offset)
	}
	// Output:
	// 0 0
	// 1 1
	// 2 2
}

// The batched verbs wait for more messages, until BatchRecords, BatchBytes or
// Linger closes the batch. They answer where the messages wait.
func ExampleProducer_ProduceSyncBatched() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Linger(time.Minute))
	if err != nil {
		log.Fatal(err)
	}

	for range 2 {
		receipt, err := p.ProduceSyncBatched(ctx, "events", ekaf.Values("a", "b", "c")...)
		if err != nil {
			log.Fatal(err)
		}
		for b := range receipt.All() {
			fmt.Printf("{partition %d, worker %d, buffered %d}\n", b.Partition, b.Worker, b.Messages)
		}
	}
	if err := p.Close(ctx); err != nil { // sends what lingers
		log.Print(err)
	}
	// Output:
	// {partition 0, worker 0, buffered 3}
	// {partition 0, worker 0, buffered 6}
}

// An async verb does not wait even for the topic's partitions: while they are
// unknown the receipt says partition -1.
func ExampleProducer_ProduceAsyncBatched() {
	ctx := context.Background()
	p, err := ekaf.New(ekaf.Brokers("127.0.0.1:1")) // nobody there
	if err != nil {
		log.Fatal(err)
	}
	receipt, err := p.ProduceAsyncBatched(ctx, "events", ekaf.Values("a", "b")...)
	fmt.Println(receipt.Partition, receipt.Messages, err)

	over, cancel := context.WithCancel(ctx)
	cancel()
	undelivered, _ := errors.AsType[*ekaf.UndeliveredError](p.Close(over))
	fmt.Println("undelivered:", undelivered.Messages)
	// Output:
	// -1 2 <nil>
	// undelivered: 2
}

// A failed message says why, and whether the broker may hold it all the same.
func ExampleDeliveryError() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.BatchBytes(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	_, err = p.ProduceSync(ctx, "events", ekaf.Value(make([]byte, 2000)))
	fmt.Println("too large:", errors.Is(err, ekaf.ErrTooLarge))

	kafka.Stop()
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = p.ProduceSync(short, "events", ekaf.Value("late"))
	failure, _ := errors.AsType[*ekaf.DeliveryError](err)
	fmt.Println("withdrawn:", errors.Is(err, ekaf.ErrWithdrawn), "maybe written:", failure.MaybeWritten)
	// Output:
	// too large: true
	// withdrawn: true maybe written: false
}

// Pick answers a handle of one worker: what is produced through it goes to it.
func ExampleProducer_Pick() {
	ctx := context.Background()
	kafka := startKafka("events", 4)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	_, err = p.Pick("events", nil)
	fmt.Println("at first:", err)

	if err := p.Prepare(ctx, "events"); err != nil {
		log.Fatal(err)
	}
	worker, err := p.Pick("events", []byte("user1"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("partition %d, worker %d, broker %d\n", worker.Partition(), worker.Index(), worker.Broker())
	if err := worker.Produce(ctx, ekaf.Value("hello")); err != nil {
		log.Print(err)
	}
	// Output:
	// at first: the topic's metadata is not known yet: try again
	// partition 2, worker 0, broker 0
}

// PickAsync waits for the topic's partitions without blocking the caller.
func ExampleProducer_PickAsync() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	picked := make(chan struct{})
	p.PickAsync(ctx, "events", nil, func(worker ekaf.Worker, err error) {
		defer close(picked)
		if err != nil {
			log.Print(err)
			return
		}
		fmt.Println(worker.Topic(), worker.Partition(), worker.Index())
	})
	<-picked
	// Output: events 0 0
}

// Metadata asks the cluster, Info tells what this producer holds, without network.
func ExampleProducer_Metadata() {
	ctx := context.Background()
	kafka := startKafka("events", 2)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	fmt.Println(p.Info("events").State)
	metadata, err := p.Metadata(ctx, "events")
	if err != nil {
		log.Fatal(err)
	}
	for _, partition := range metadata.Partitions {
		fmt.Println("partition", partition.Partition, "is led by broker", partition.Leader)
	}
	fmt.Println(p.Info("events").State, p.Info("events").Waiting)
	// Output:
	// bootstrapping
	// partition 0 is led by broker 0
	// partition 1 is led by broker 0
	// ready 0
}

// Prepare is not needed, and saves the first message the way.
func ExampleProducer_Prepare() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	if err := p.Prepare(ctx, "events"); err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Info("events").Workers[0].State)
	// Output: ready
}

// A handle for one topic spares a hot path the look-up by name.
func ExampleProducer_Topic() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...))
	if err != nil {
		log.Fatal(err)
	}

	events, err := p.Topic("events")
	if err != nil {
		log.Fatal(err) // the name is not valid
	}
	buffer := make([]byte, 0, 64)
	for i := range 3 {
		buffer = fmt.Appendf(buffer[:0], "event %d", i) // reused: a verb keeps no slice
		if err := events.ProduceAsync(ctx, ekaf.Value(buffer)); err != nil {
			log.Print(err)
		}
	}
	if err := p.Close(ctx); err != nil {
		log.Print(err)
	}
	printTopic(kafka, "events")
	// Output:
	// event 0
	// event 1
	// event 2
}

// Any option that concerns topics may be given for all of them, and for one.
func ExampleTopic() {
	_, err := ekaf.New(
		ekaf.Brokers("kafka:9092"),
		ekaf.Compression(ekaf.LZ4),
		ekaf.Topic("heavy_job", ekaf.Strategy(ekaf.StrictRoundRobin()), ekaf.Workers(5)),
		ekaf.Topic("user_actions", ekaf.Strategy(ekaf.Phash2()), ekaf.BatchRecords(500)),
		ekaf.Topic("audit", ekaf.BufferBytes(1<<20)), // of the whole producer: a fault
	)
	fmt.Println(err)
	// Output:
	// the configuration has faults:
	//   Topic "audit": BufferBytes is for the whole producer and cannot be given for one topic
}

// A Custom strategy sees each message, and may leave some to the strategy for
// messages without a key.
func ExampleCustom() {
	ctx := context.Background()
	kafka := startKafka("orders", 4)
	defer kafka.Close()
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Strategy(ekaf.Custom(
		func(topic string, key, value []byte, partitions int) int {
			if len(key) == 0 {
				return ekaf.AnyPartition
			}
			return int(key[0]-'a') % partitions
		})))
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	for _, key := range []string{"a1", "b1", "c1", "a2"} {
		ack, err := p.ProduceSync(ctx, "orders", ekaf.KeyValue(key, "x"))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(key, ack.Partition)
	}
	// Output:
	// a1 0
	// b1 1
	// c1 2
	// a2 0
}

// The original's encode_messages_as_one_large_json: a closed batch goes to Kafka
// as one message that holds all of its values.
func ExampleMassageBuffer() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	oneLargeJSON := func(topic string, messages []ekaf.Message) []ekaf.Message {
		values := make([]string, len(messages))
		for i, m := range messages {
			values[i] = string(m.Value)
		}
		joined, err := json.Marshal(values)
		if err != nil {
			return messages
		}
		return []ekaf.Message{ekaf.Value(joined)}
	}
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.Linger(time.Minute), ekaf.MassageBuffer(oneLargeJSON))
	if err != nil {
		log.Fatal(err)
	}

	if _, err := p.ProduceSyncBatched(ctx, "events", ekaf.Values("1", "2", "3")...); err != nil {
		log.Fatal(err)
	}
	if err := p.Close(ctx); err != nil {
		log.Print(err)
	}
	printTopic(kafka, "events")
	// Output: ["1","2","3"]
}

// Events tell what happens to topics and workers.
func ExampleOnEvent() {
	ctx := context.Background()
	kafka := startKafka("events", 1)
	defer kafka.Close()
	var seen []string
	p, err := ekaf.New(ekaf.Brokers(kafka.Addrs()...), ekaf.OnEvent(func(e ekaf.Event) {
		switch e.Kind {
		case ekaf.EventWorkerUp:
			seen = append(seen, fmt.Sprintf("%v.broker%d.%d", e.Kind, e.Broker, e.Partition))
		case ekaf.EventFlush:
			seen = append(seen, fmt.Sprintf("%v.broker%d.%d %d", e.Kind, e.Broker, e.Partition, e.Messages))
		}
	}))
	if err != nil {
		log.Fatal(err)
	}

	if err := p.ProduceAsync(ctx, "events", ekaf.Values("a", "b", "c")...); err != nil {
		log.Print(err)
	}
	if err := p.Close(ctx); err != nil { // waits for the handler too
		log.Print(err)
	}
	for _, event := range slices.Compact(seen) {
		fmt.Println(event)
	}
	// Output:
	// worker_up.broker0.0
	// flush.broker0.0 3
}
