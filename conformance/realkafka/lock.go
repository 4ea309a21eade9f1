package realkafka

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// errLocked is what tryLock answers when another process holds the lock.
var errLocked = errors.New("locked by another process")

// lockFile waits for the exclusive lock of path and holds it until the file is
// closed. The operating system gives it back when the process dies, however it
// dies; the file itself stays, because removing it would let two processes hold
// locks on two files of one name.
func lockFile(ctx context.Context, path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("cannot make the directory of a lock file: %w", err)
	}
	for {
		file, err := tryLock(path)
		if err == nil {
			return file, nil
		}
		if !errors.Is(err, errLocked) {
			return nil, fmt.Errorf("cannot lock %s: %w", path, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cannot lock %s, which another process holds: %w", path, ctx.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
