package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestNowFollowsTheRealClock: in use it lags by one renewal at most, and after a
// rest it is right at once.
func TestNowFollowsTheRealClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		defer c.Close()
		check := func() {
			t.Helper()
			lag := time.Now().UnixMilli() - c.Now()
			if lag < 0 || lag > Every.Milliseconds() {
				t.Errorf("it lags by %d ms", lag)
			}
		}
		check()
		for range 50 {
			time.Sleep(3 * time.Millisecond)
			synctest.Wait()
			check()
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		check()
	})
}

// TestRest: nobody reads, so nothing ticks; a reader makes it tick again.
func TestRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		c.Now()
		time.Sleep(10 * restAfter * Every)
		synctest.Wait()
		if c.ms.Load() != 0 {
			t.Error("it ticks although nobody reads")
		}
		c.Now()
		if c.ms.Load() == 0 {
			t.Error("it rests although somebody reads")
		}
		c.Close()
		if lag := time.Now().UnixMilli() - c.Now(); lag != 0 {
			t.Errorf("closed, it lags by %d ms", lag)
		}
	})
}
