import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.util.Properties;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Java's own producer in the loop of kafka-producer-perf-test: one thread, a
 * record and a callback for each send. Unlike that tool it measures after a
 * warm-up, as the clients in Go are measured, so that neither the start of the
 * virtual machine nor its compiler counts.
 *
 * Arguments: topic, value bytes, warm-up records, records, then properties as
 * name=value. The answer is one line of JSON on standard output.
 */
public class Producer {
    public static void main(String[] args) throws Exception {
        String topic = args[0];
        int size = Integer.parseInt(args[1]);
        long warmup = Long.parseLong(args[2]);
        long records = Long.parseLong(args[3]);
        Properties properties = new Properties();
        for (int i = 4; i < args.length; i++) {
            int equals = args[i].indexOf('=');
            properties.put(args[i].substring(0, equals), args[i].substring(equals + 1));
        }
        byte[][] values = values(size);
        OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer())) {
            long acked = run(producer, topic, values, warmup);
            long cpu = system.getProcessCpuTime();
            long began = System.nanoTime();
            acked += run(producer, topic, values, records);
            long took = System.nanoTime() - began;
            cpu = system.getProcessCpuTime() - cpu;
            System.out.printf("{\"acked\":%d,\"cpu_ns\":%d,\"took_ns\":%d}%n", acked, cpu, took);
        }
    }

    /** Sends so many records, waits for all outcomes and returns how many were acked. */
    private static long run(KafkaProducer<byte[], byte[]> producer, String topic, byte[][] values, long records)
            throws InterruptedException {
        AtomicLong acked = new AtomicLong();
        AtomicLong left = new AtomicLong(records);
        CountDownLatch done = new CountDownLatch(records > 0 ? 1 : 0);
        for (long i = 0; i < records; i++) {
            producer.send(new ProducerRecord<>(topic, values[(int) (i & (values.length - 1))]), (metadata, error) -> {
                if (error == null) {
                    acked.incrementAndGet();
                }
                if (left.decrementAndGet() == 0) {
                    done.countDown();
                }
            });
        }
        producer.flush();
        done.await();
        return acked.get();
    }

    /** Values like those of the other clients: events in JSON. */
    private static byte[][] values(int size) {
        Random random = new Random(1);
        byte[][] values = new byte[1024][];
        for (int i = 0; i < values.length; i++) {
            StringBuilder text = new StringBuilder();
            while (text.length() < size) {
                text.append(String.format("{\"user\":%d,\"event\":\"page_view\",\"session\":\"%x\"}",
                        random.nextInt(1_000_000), random.nextLong()));
            }
            values[i] = text.substring(0, size).getBytes(StandardCharsets.US_ASCII);
        }
        return values;
    }
}
