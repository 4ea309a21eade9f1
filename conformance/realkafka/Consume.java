import java.nio.charset.StandardCharsets;
import java.util.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.common.*;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a topic with Kafka's own consumer: java Consume.java BROKERS TOPIC LEAST.
 * It ends when every partition was read up to the end it had at that moment and
 * at least LEAST records came. One line a record, fields parted by tabs:
 * partition, offset, timestamp, key, value, then key and value of each header.
 * Bytes are in base64; "-" is null.
 *
 * It is compiled against the client of the broker's own version, 0.10 to 4.x, so
 * what changed in between (poll's argument, headers) goes through reflection.
 */
public class Consume {
    static String text(byte[] bytes) {
        return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
    }

    @SuppressWarnings("unchecked")
    static ConsumerRecords<byte[], byte[]> poll(Object consumer) throws Exception {
        try {
            return (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class
                .getMethod("poll", java.time.Duration.class).invoke(consumer, java.time.Duration.ofMillis(200));
        } catch (NoSuchMethodException before20) {
            return (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class
                .getMethod("poll", long.class).invoke(consumer, 200L);
        }
    }

    static void headers(Object record, StringBuilder line) throws Exception {
        Iterable<?> headers;
        try {
            headers = (Iterable<?>) ConsumerRecord.class.getMethod("headers").invoke(record);
        } catch (NoSuchMethodException before011) {
            return;
        }
        Class<?> header = Class.forName("org.apache.kafka.common.header.Header");
        for (Object h : headers) {
            String key = (String) header.getMethod("key").invoke(h);
            line.append('\t').append(text(key.getBytes(StandardCharsets.UTF_8)));
            line.append('\t').append(text((byte[]) header.getMethod("value").invoke(h)));
        }
    }

    public static void main(String[] args) throws Exception {
        Map<String, Object> config = new HashMap<>();
        config.put("bootstrap.servers", args[0]);
        config.put("enable.auto.commit", "false");
        config.put("key.deserializer", ByteArrayDeserializer.class.getName());
        config.put("value.deserializer", ByteArrayDeserializer.class.getName());
        long least = Long.parseLong(args[2]), count = 0;
        var out = new java.io.PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), false, "US-ASCII");
        var buffered = new java.io.BufferedWriter(new java.io.OutputStreamWriter(out, "US-ASCII"), 1 << 16);
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(config)) {
            List<TopicPartition> partitions = new ArrayList<>();
            for (PartitionInfo info : consumer.partitionsFor(args[1])) {
                partitions.add(new TopicPartition(args[1], info.partition()));
            }
            consumer.assign(partitions);
            Map<TopicPartition, Long> ends = ends(consumer, partitions);
            KafkaConsumer.class.getMethod("seekToBeginning", Collection.class).invoke(consumer, partitions);
            while (true) {
                boolean done = true;
                for (TopicPartition p : partitions) {
                    done &= consumer.position(p) >= ends.get(p);
                }
                if (done && count >= least) {
                    break;
                } else if (done) {
                    ends = next(consumer, partitions);
                }
                for (ConsumerRecord<byte[], byte[]> r : poll(consumer)) {
                    var line = new StringBuilder().append(r.partition()).append('\t').append(r.offset()).append('\t')
                        .append(r.timestamp()).append('\t').append(text(r.key())).append('\t').append(text(r.value()));
                    headers(r, line);
                    buffered.append(line).append('\n');
                    count++;
                }
            }
        }
        buffered.flush();
    }

    /** The ends now, leaving the positions at them. */
    static Map<TopicPartition, Long> ends(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions) throws Exception {
        KafkaConsumer.class.getMethod("seekToEnd", Collection.class).invoke(consumer, partitions);
        Map<TopicPartition, Long> ends = new HashMap<>();
        for (TopicPartition p : partitions) {
            ends.put(p, consumer.position(p));
        }
        return ends;
    }

    /** The ends now, with the positions kept. */
    static Map<TopicPartition, Long> next(KafkaConsumer<byte[], byte[]> consumer, List<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, Long> positions = new HashMap<>();
        for (TopicPartition p : partitions) {
            positions.put(p, consumer.position(p));
        }
        Map<TopicPartition, Long> ends = ends(consumer, partitions);
        positions.forEach(consumer::seek);
        return ends;
    }
}
