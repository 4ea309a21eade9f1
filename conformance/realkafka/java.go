package realkafka

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Available reports whether brokers can be started here: nil, or an error saying
// what is missing and how to get it. It starts Java once to see that it works.
func Available() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	_, err := findJava(ctx)
	if _, mavenErr := exec.LookPath("mvn"); mavenErr != nil {
		err = errors.Join(err, errors.New("cannot find Maven (mvn), which fetches Kafka's jars: install the package maven"))
	}
	return err
}

// java is the Java runtime brokers are started with.
type java struct {
	path string
	// build identifies the exact virtual machine: class archives are good for
	// the one which wrote them only.
	build string
}

func findJava(ctx context.Context) (java, error) {
	path, err := exec.LookPath("java")
	if home := os.Getenv("JAVA_HOME"); home != "" {
		path, err = exec.LookPath(filepath.Join(home, "bin", "java"))
	}
	if err != nil {
		return java{}, fmt.Errorf("cannot find Java: install a JDK, version 17 or newer, or set JAVA_HOME: %w", err)
	}
	properties, err := javaSettings(ctx, path)
	if err != nil {
		return java{}, fmt.Errorf("cannot use Java: %w", err)
	}
	if version, _ := strconv.Atoi(properties["java.specification.version"]); version < 17 {
		return java{}, fmt.Errorf("cannot use Java %s (%s): Kafka 4 needs 17 or newer", properties["java.specification.version"], path)
	}
	sum := sha256.Sum256([]byte(path + properties["java.vm.version"] + properties["java.home"]))
	return java{path: path, build: hex.EncodeToString(sum[:6])}, nil
}

// javaSettings runs java and reads the "name = value" lines of its settings.
func javaSettings(ctx context.Context, path string) (map[string]string, error) {
	text, err := exec.CommandContext(ctx, path, "-XshowSettings:properties", "-version").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("cannot run %s -version: %w", path, err)
	}
	properties := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if name, value, found := strings.Cut(line, "="); found {
			properties[strings.TrimSpace(name)] = strings.TrimSpace(value)
		}
	}
	return properties, nil
}
