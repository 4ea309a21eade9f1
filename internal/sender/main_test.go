package sender

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package if a loop or a connection's reader outlives its sender.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
