package realkafka

import (
	"os/exec"
	"path/filepath"
	"strconv"
)

// The main classes of the two servers.
const (
	brokerClass    = "kafka.Kafka"
	zookeeperClass = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
)

// archiving says what a server does with its class archive.
type archiving bool

const (
	useArchive  archiving = false // start from it, if it exists
	makeArchive archiving = true  // write it at exit
)

// server is the command which starts a main class with one properties file.
func (s *store) server(class, configFile string, heapMB int, mode archiving, extra []string) (*exec.Cmd, error) {
	classes, err := s.classPath()
	if err != nil {
		return nil, err
	}
	dir := filepath.Dir(configFile)
	args := []string{
		"-Xmx" + strconv.Itoa(heapMB) + "m",
		// One thread of garbage collection and one compiler: brokers on a small
		// machine start twice as fast and share it better.
		"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
		"-XX:-UsePerfData", "-XX:+ExitOnOutOfMemoryError",
		"-Xlog:disable", "-Xlog:all=error:stderr",
		"-Djava.awt.headless=true", "-Dkafka.logs.dir=" + dir,
		"-Dlog4j.configuration=file:" + filepath.ToSlash(filepath.Join(dir, logSettings)),
		"-Dorg.slf4j.simpleLogger.showDateTime=true",
		"-Dorg.slf4j.simpleLogger.dateTimeFormat=HH:mm:ss.SSS",
	}
	archive := s.archive(class)
	switch {
	case mode == makeArchive:
		args = append(args, "-XX:ArchiveClassesAtExit="+archive+".making")
	case exists(archive):
		args = append(args, "-XX:SharedArchiveFile="+archive)
	}
	args = append(append(args, extra...), "-cp", classes, class, configFile)
	command := exec.Command(s.java.path, args...)
	command.Dir = dir
	return command, nil
}

// logSettings names the file which tells log4j, the back end of Kafka before
// 4.0, to log to standard output like the later ones.
const logSettings = "log4j.properties"

var log4jProperties = properties{
	"log4j.rootLogger":                                         "INFO, stdout",
	"log4j.appender.stdout":                                    "org.apache.log4j.ConsoleAppender",
	"log4j.appender.stdout.layout":                             "org.apache.log4j.PatternLayout",
	"log4j.appender.stdout.layout.ConversionPattern":           "%d{HH:mm:ss.SSS} %p %m (%c)%n",
	"log4j.logger.org.apache.zookeeper":                        "WARN",
	"log4j.logger.kafka.request.logger":                        "WARN",
	"log4j.logger.kafka.network.RequestChannel$":               "WARN",
	"log4j.logger.org.apache.kafka.common.utils.AppInfoParser": "WARN",
}
