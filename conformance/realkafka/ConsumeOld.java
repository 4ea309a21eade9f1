import java.nio.ByteBuffer;
import java.util.*;
import kafka.api.PartitionOffsetRequestInfo;
import kafka.common.TopicAndPartition;
import kafka.javaapi.*;
import kafka.javaapi.consumer.SimpleConsumer;
import kafka.message.MessageAndOffset;

/**
 * Consume.java for Kafka 0.8, whose KafkaConsumer is an empty shell: the simple
 * consumer of that time, which asks each partition's leader itself.
 */
public class ConsumeOld {
    static String text(ByteBuffer bytes) {
        if (bytes == null) {
            return "-";
        }
        byte[] copy = new byte[bytes.remaining()];
        bytes.get(copy);
        return Base64.getEncoder().encodeToString(copy);
    }

    static SimpleConsumer connect(String host, int port) {
        return new SimpleConsumer(host, port, 10_000, 1 << 20, "realkafka");
    }

    static long offset(SimpleConsumer leader, String topic, int partition, long time) {
        var at = new TopicAndPartition(topic, partition);
        var ask = new kafka.javaapi.OffsetRequest(Map.of(at, new PartitionOffsetRequestInfo(time, 1)),
            kafka.api.OffsetRequest.CurrentVersion(), "realkafka");
        return leader.getOffsetsBefore(ask).offsets(topic, partition)[0];
    }

    static long read(SimpleConsumer leader, String topic, int partition, StringBuilder out) {
        long next = offset(leader, topic, partition, kafka.api.OffsetRequest.EarliestTime());
        long end = offset(leader, topic, partition, kafka.api.OffsetRequest.LatestTime());
        long count = 0;
        while (next < end) {
            var ask = new kafka.api.FetchRequestBuilder().clientId("realkafka").addFetch(topic, partition, next, 1 << 20).build();
            for (MessageAndOffset m : leader.fetch(ask).messageSet(topic, partition)) {
                if (m.offset() < next) {
                    continue; // a compressed set comes whole
                }
                out.append(partition).append('\t').append(m.offset()).append("\t-1\t")
                    .append(m.message().hasKey() ? text(m.message().key()) : "-").append('\t')
                    .append(m.message().isNull() ? "-" : text(m.message().payload())).append('\n');
                next = m.nextOffset();
                count++;
            }
        }
        return count;
    }

    public static void main(String[] args) throws Exception {
        String[] seed = args[0].split(",")[0].split(":");
        long least = Long.parseLong(args[2]);
        while (true) {
            var out = new StringBuilder();
            long count = 0;
            var metadata = connect(seed[0], Integer.parseInt(seed[1]));
            for (PartitionMetadata p : metadata.send(new TopicMetadataRequest(List.of(args[1]))).topicsMetadata().get(0).partitionsMetadata()) {
                var leader = connect(p.leader().host(), p.leader().port());
                count += read(leader, args[1], p.partitionId(), out);
                leader.close();
            }
            metadata.close();
            if (count >= least) {
                System.out.print(out);
                return;
            }
            Thread.sleep(200);
        }
    }
}
