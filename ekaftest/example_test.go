package ekaftest_test

import (
	"context"
	"fmt"
	"time"

	"github.com/ekaf-go/ekaf/ekaftest"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// newClient is a producer of a cluster, any client would do.
func newClient(c *ekaftest.Cluster) *kgo.Client {
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.Dialer(c.Dialer()),
		kgo.MetadataMinAge(10*time.Millisecond), kgo.RetryBackoffFn(func(int) time.Duration { return 10 * time.Millisecond }))
	if err != nil {
		panic(err)
	}
	return client
}

func ExampleNew() {
	c, err := ekaftest.New(ekaftest.Topic("events", 1))
	if err != nil {
		panic(err)
	}
	defer c.Close()

	client := newClient(c)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client.ProduceSync(ctx, &kgo.Record{Topic: "events", Key: []byte("user-1"), Value: []byte("hello")})

	messages, err := c.WaitFor(ctx, "events", 1)
	if err != nil {
		panic(err)
	}
	for _, m := range messages {
		fmt.Printf("partition %d offset %d: %s = %s\n", m.Partition, m.Offset, m.Key, m.Value)
	}
	// Output: partition 0 offset 0: user-1 = hello
}

// A lost ack: the record is in Kafka, the producer does not know. An idempotent
// producer sends it again, and the broker recognises it.
func ExampleCluster_LoseAnswers() {
	c, err := ekaftest.New(ekaftest.Topic("events", 1))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	client := newClient(c)
	defer client.Close()

	lost := c.LoseAnswers(2)
	err = client.ProduceSync(context.Background(), &kgo.Record{Topic: "events", Value: []byte("once")}).FirstErr()
	messages, _ := c.Consume("events")
	fmt.Println("error:", err)
	fmt.Println("answers lost:", lost.Hits())
	fmt.Println("messages:", len(messages))
	// Output:
	// error: <nil>
	// answers lost: 2
	// messages: 1
}

// NOT_LEADER_OR_FOLLOWER (6) after the batch was appended: an error answer is
// no proof that nothing was written.
func ExampleCluster_Inject() {
	c, err := ekaftest.New(ekaftest.Topic("events", 1))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	client := newClient(c)
	defer client.Close()

	c.Inject(ekaftest.Fault{API: kmsg.Produce, Topic: "events", Code: 6, AfterWrite: true})
	err = client.ProduceSync(context.Background(), &kgo.Record{Topic: "events", Value: []byte("once")}).FirstErr()
	messages, _ := c.Consume("events")
	fmt.Println(err, len(messages), c.Requests(kmsg.Produce))
	// Output: <nil> 1 2
}

func ExampleCluster_Restart() {
	c, err := ekaftest.New(ekaftest.Brokers(2), ekaftest.Topic("events", 2))
	if err != nil {
		panic(err)
	}
	defer c.Close()
	client := newClient(c)
	defer client.Close()

	c.Stop() // connections are refused; the producer buffers
	result := make(chan error, 1)
	client.Produce(context.Background(), &kgo.Record{Topic: "events", Value: []byte("patience")}, func(_ *kgo.Record, err error) { result <- err })
	if err := c.Restart(); err != nil { // on the same ports, with the data
		panic(err)
	}
	fmt.Println(<-result)
	// Output: <nil>
}
