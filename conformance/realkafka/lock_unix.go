//go:build unix

package realkafka

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the lock of path or answers errLocked. flock(2) belongs to the
// open file, so two locks inside one process exclude each other too.
func tryLock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		file.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errLocked
		}
		return nil, err
	}
	return file, nil
}
