// Package realkafka starts real Apache Kafka brokers for tests.
//
// It owns everything between "a test wants Kafka 3.9.1 with three brokers" and
// addresses which answer: the jars, the storage, the ports, the processes and
// their death. It knows nothing of ekaf, so that what it runs can judge ekaf.
//
//	Start(ctx, Config)
//	   │
//	   ├─ release    which Maven coordinates, KRaft or ZooKeeper
//	   ├─ store      jars, formatted storage, class archives; once per version,
//	   │             under a lock file, in the user's cache directory
//	   ├─ portLease  ports nobody else takes, also while their broker is down
//	   ├─ authority  certificates for TLS and mTLS, made afresh per cluster
//	   ▼
//	Cluster ──► Broker 1..n ──► process  one JVM, killed when the test dies
//	   │            Kill Stop Pause Resume Start LogTail
//	   ├─ CreateTopic DeleteTopic AddPartitions Reassign MoveLeader
//	   │  Controller SetTopicConfig
//	   └─ ConsumeWithKafka   reads a topic with Kafka's own consumer
//
// Brokers listen on the loopback interface only. Every broker has a PLAINTEXT
// listener ([Cluster.Addrs]); [Security] adds a second one ([Cluster.SecureAddrs]).
//
// Java and Maven are needed; [Available] says whether they are there. Tests use
// [StartT], which skips unless EKAF_REAL_KAFKA is set. The first start of a
// version fetches its jars and takes perhaps half a minute; later ones take
// seconds.
//
// Environment:
//
//	EKAF_REAL_KAFKA    1: StartT starts brokers, and skips where Java or Maven
//	                   is missing; require: it fails there instead
//	EKAF_KAFKA_CACHE   where jars and archives are kept; default
//	                   ekaf-realkafka in the user's cache directory
//	JAVA_HOME          the JDK to use; default: java on the PATH
package realkafka
