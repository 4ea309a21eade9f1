package realkafka

import (
	"context"
	"os"
	"testing"
	"time"
)

// startTimeout bounds StartT: fetching jars over a slow line takes minutes.
const startTimeout = 10 * time.Minute

// StartT starts a cluster for a test and closes it when the test ends; the ends
// of the brokers' logs are shown if the test failed.
//
// It skips the test unless EKAF_REAL_KAFKA is set, and where Java or Maven is
// missing unless EKAF_REAL_KAFKA=require.
func StartT(t testing.TB, config Config) *Cluster {
	t.Helper()
	SkipUnlessEnabled(t)
	if config.Progress == nil {
		config.Progress = os.Stderr
	}
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	c, err := Start(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			for _, b := range c.brokers {
				t.Logf("the log of broker %d ends:\n%s", b.id, b.LogTail())
			}
		}
		if err := c.Close(); err != nil {
			t.Errorf("cannot close the cluster: %v", err)
		}
	})
	return c
}

// SkipUnlessEnabled skips a test that needs real brokers where they were not
// asked for or cannot be had.
func SkipUnlessEnabled(t testing.TB) {
	t.Helper()
	mode := os.Getenv("EKAF_REAL_KAFKA")
	if mode == "" || mode == "0" {
		t.Skip("starts real Kafka brokers: set EKAF_REAL_KAFKA=1 (needs a JDK and Maven)")
	}
	if err := Available(); err != nil {
		if mode == "require" {
			t.Fatal(err)
		}
		t.Skip(err)
	}
}
