package realkafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// store is what the cache directory holds for one Kafka version:
//
//	<cache>/<version>/lock            held while anything below is made
//	<cache>/<version>/libs-<hash>/    the jars; complete as soon as it exists
//	<cache>/<version>/storage-<hash>/ a formatted KRaft storage directory
//	<cache>/<version>/*-<java>.jsa    class archives (AppCDS), one a main class
//
// Everything is made beside its name and renamed, so a reader needs no lock and
// a process killed half-way leaves nothing that looks finished.
type store struct {
	release  release
	java     java
	dir      string
	libs     string
	key      string // of the coordinates: another list makes another directory
	progress io.Writer
}

// openStore fetches the jars unless they are there.
func openStore(ctx context.Context, r release, progress io.Writer) (*store, error) {
	runtime, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	root := os.Getenv("EKAF_KAFKA_CACHE")
	if root == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("cannot find the cache directory, set EKAF_KAFKA_CACHE: %w", err)
		}
		root = filepath.Join(cache, "ekaf-realkafka")
	}
	if root, err = filepath.Abs(root); err != nil {
		return nil, fmt.Errorf("cannot use the cache directory: %w", err)
	}
	sum := sha256.Sum256([]byte(strings.Join(r.coordinates(), " ")))
	s := &store{release: r, java: runtime, dir: filepath.Join(root, r.version),
		key: hex.EncodeToString(sum[:4]), progress: progress}
	s.libs = filepath.Join(s.dir, "libs-"+s.key)
	return s, s.once(ctx, s.libs, s.fetch)
}

// once makes path with build unless it exists. build fills a fresh directory,
// which becomes path by a rename.
func (s *store) once(ctx context.Context, path string, build func(ctx context.Context, dir string) error) error {
	if exists(path) {
		return nil
	}
	lock, err := s.lock(ctx)
	if err != nil {
		return err
	}
	defer lock.Close()
	if exists(path) {
		return nil
	}
	dir, err := os.MkdirTemp(s.dir, "making-")
	if err != nil {
		return fmt.Errorf("cannot write to the cache directory: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := build(ctx, dir); err != nil {
		return err
	}
	if err := os.Rename(dir, path); err != nil {
		return fmt.Errorf("cannot finish %s: %w", path, err)
	}
	return nil
}

func (s *store) lock(ctx context.Context) (*os.File, error) {
	return lockFile(ctx, filepath.Join(s.dir, "lock"))
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// fetch has Maven copy the jars and all they need into dir.
func (s *store) fetch(ctx context.Context, dir string) error {
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("cannot fetch Kafka %s without Maven (mvn): %w", s.release.version, err)
	}
	fmt.Fprintf(s.progress, "fetching Kafka %s\n", s.release.version)
	project, err := os.MkdirTemp(s.dir, "maven-")
	if err != nil {
		return fmt.Errorf("cannot write to the cache directory: %w", err)
	}
	defer os.RemoveAll(project)
	if err := os.WriteFile(filepath.Join(project, "pom.xml"), []byte(pom(s.release.coordinates())), 0o644); err != nil {
		return fmt.Errorf("cannot write pom.xml: %w", err)
	}
	_, err = run(ctx, project, maven, "-q", "-B",
		"org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
		"-DoutputDirectory="+dir, "-DincludeScope=runtime")
	if err != nil {
		return fmt.Errorf("cannot fetch Kafka %s: %w", s.release.version, err)
	}
	if jars, _ := filepath.Glob(filepath.Join(dir, "kafka_*.jar")); len(jars) == 0 {
		return fmt.Errorf("cannot fetch Kafka %s: Maven copied no broker jar", s.release.version)
	}
	return nil
}

// pom is a Maven project which depends on the coordinates and does nothing.
func pom(coordinates []string) string {
	var b strings.Builder
	b.WriteString("<project><modelVersion>4.0.0</modelVersion><groupId>realkafka</groupId>" +
		"<artifactId>realkafka</artifactId><version>1</version><dependencies>\n")
	for _, coordinate := range coordinates {
		part := strings.Split(coordinate, ":")
		fmt.Fprintf(&b, "<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n",
			part[0], part[1], part[2])
	}
	b.WriteString("</dependencies></project>\n")
	return b.String()
}

// classPath names every jar in a fixed order: a class archive is refused when
// the path differs from the one it was made with, and Java reads libs/* in the
// order of the directory.
func (s *store) classPath() (string, error) {
	jars, err := filepath.Glob(filepath.Join(s.libs, "*.jar"))
	if err != nil || len(jars) == 0 {
		return "", errors.Join(fmt.Errorf("cannot find jars in %s: remove it and try again", s.libs), err)
	}
	slices.Sort(jars)
	return strings.Join(jars, string(os.PathListSeparator)), nil
}

// archive is the class archive of a main class; it need not exist.
func (s *store) archive(mainClass string) string {
	name := mainClass[strings.LastIndexByte(mainClass, '.')+1:]
	return filepath.Join(s.dir, fmt.Sprintf("%s-%s-%s.jsa", strings.ToLower(name), s.key, s.java.build))
}

// formatted answers a KRaft storage directory as StorageTool leaves it, to be
// copied: formatting takes a whole start of Java, a copy nothing.
func (s *store) formatted(ctx context.Context) (string, error) {
	path := filepath.Join(s.dir, "storage-"+s.key)
	return path, s.once(ctx, path, func(ctx context.Context, dir string) error {
		properties := properties{
			"process.roles": "broker,controller", "node.id": "1", "log.dirs": dir,
			"controller.quorum.voters":       "1@127.0.0.1:9093",
			"listeners":                      "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
			"controller.listener.names":      "CONTROLLER",
			"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
		}
		file := dir + ".properties"
		defer os.Remove(file)
		if err := properties.write(file); err != nil {
			return err
		}
		classes, err := s.classPath()
		if err != nil {
			return err
		}
		_, err = run(ctx, s.dir, s.java.path, "-cp", classes, "kafka.tools.StorageTool", "format",
			"-t", newUUID(), "-c", file)
		return err
	})
}
