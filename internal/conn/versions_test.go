package conn

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestAssumed: the releases that cannot say what they speak, each with the Produce
// version that decides the format of messages; all others are refused.
func TestAssumed(t *testing.T) {
	for release, produce := range map[string]int16{"0.8.0": 0, "0.8.1.1": 0, "0.8.2": 0, "0.8.2.2": 0, "0.9.0": 1, "0.9.0.1": 1} {
		v, err := Assumed(release)
		if err != nil {
			t.Fatal(err)
		}
		offered := versionsAssumed(v)
		if got, ok := offered.Max(kmsg.Produce.Int16()); !ok || got != produce {
			t.Errorf("%s: Produce up to v%d (%v), want v%d", release, got, ok, produce)
		}
		if _, ok := offered.Max(kmsg.InitProducerID.Int16()); ok {
			t.Errorf("%s gives producer ids", release)
		}
	}
	for _, release := range []string{"0.8", "0.10.0", "0.9.0x", "0.9.0.x", "2.8", "v0.9.0", "new"} {
		if v, err := Assumed(release); err == nil || v != nil {
			t.Errorf("%s is taken for a release", release)
		}
	}
	if v, err := Assumed(""); v != nil || err != nil {
		t.Errorf("no release: %v, %v", v, err)
	}
}
