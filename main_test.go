package ekaf_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the package if a goroutine outlives its producer.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
