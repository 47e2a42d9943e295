// Package tempfiles is the folder that a process keeps its streams' files in, inside the switch's folder for temporary
// files. A process that ends without tidying up, by a crash, leaves its folder to the next one, which knows by a lock that
// nobody lives there any more. What is in the files is the streams' business.
package tempfiles

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

const (
	prefix   = "audio_stream_"
	lockName = ".lock"
)

// Folder is one process's folder. It is made when the first file is. Its methods may be called from any goroutine.
type Folder struct {
	base string

	mu   sync.Mutex
	path string   // "": not made yet
	lock *os.File // locked (flock) while the process lives, whatever ends it
}

// New prepares a folder inside base; nothing is made yet.
func New(base string) *Folder { return &Folder{base: base} }

// Sweep removes the folders of processes that have ended, and returns how many. It may be called while others live there.
func (f *Folder) Sweep() (removed int, err error) {
	left, err := filepath.Glob(filepath.Join(escape(f.base), prefix+"*"))
	if err != nil {
		return 0, err
	}
	for _, path := range left {
		lock, e := os.OpenFile(filepath.Join(path, lockName), os.O_RDWR|syscall.O_NOFOLLOW, 0)
		if e != nil {
			continue // not one of ours, or another's who sweeps at the same time, or whose lock is being made
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			if e := os.RemoveAll(path); e != nil {
				err = errors.Join(err, e)
			} else {
				removed++
			}
		}
		_ = lock.Close() // gives the lock back
	}
	return removed, err
}

// Create makes a file that only this user can read, with a name that cannot be guessed: pattern as os.CreateTemp has it.
func (f *Folder) Create(pattern string) (*os.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" {
		if err := f.make(); err != nil {
			return nil, fmt.Errorf("no folder for files in %s (temp_dir of the switch): %w", f.base, err)
		}
	}
	return os.CreateTemp(f.path, pattern)
}

func (f *Folder) make() error {
	path, err := os.MkdirTemp(f.base, prefix) // 0700
	if err != nil {
		return err
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err == nil {
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err != nil {
			_ = lock.Close()
		}
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(path))
	}
	f.path, f.lock = path, lock
	return nil
}

// Close removes the folder and what is still in it. A file that is made afterwards makes a new one.
func (f *Folder) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.path == "" {
		return nil
	}
	err := errors.Join(os.RemoveAll(f.path), f.lock.Close())
	f.path, f.lock = "", nil
	return err
}

// escape takes the meaning of a pattern from a path.
func escape(path string) string {
	var b []byte
	for i := range len(path) {
		if c := path[i]; c == '*' || c == '?' || c == '[' || c == '\\' {
			b = append(b, '\\')
		}
		b = append(b, path[i])
	}
	return string(b)
}
