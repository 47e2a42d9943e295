package stream

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"mod_audio_stream/goside/tempfiles"
)

// Limits of the files that one server can make one stream keep.
const (
	maxFiles     = 1024
	maxFileBytes = 256 << 20
)

var errFiles = fmt.Errorf("the stream already keeps %d files or %d MiB", maxFiles, maxFileBytes>>20)

// fileStore holds the files that were made of streamAudio messages. They live as long as the stream.
type fileStore struct {
	folder *tempfiles.Folder
	uuid   string

	mu     sync.Mutex
	paths  []string
	bytes  int
	closed bool
}

func newFileStore(folder *tempfiles.Folder, uuid string) fileStore {
	return fileStore{folder: folder, uuid: uuid}
}

// add writes one file, readable by us alone and under a name that nobody can guess, and returns its path.
func (f *fileStore) add(data []byte, ending string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return "", errClosing
	}
	if len(f.paths) >= maxFiles || f.bytes+len(data) > maxFileBytes {
		return "", errFiles
	}
	// The uuid is part of the name, as users of this event expect. One chosen by a caller (origination_uuid) may hold anything, so only
	// what is safe in a file name is taken.
	file, err := f.folder.Create(safeName(f.uuid) + "_*.tmp." + ending)
	if err != nil {
		return "", err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	f.paths = append(f.paths, file.Name())
	f.bytes += len(data)
	return file.Name(), nil
}

// close removes every file; none is made afterwards.
func (f *fileStore) close() (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for _, path := range f.paths {
		if e := os.Remove(path); e != nil && !errors.Is(e, os.ErrNotExist) { // the user may have taken it
			err = errors.Join(err, e)
		}
	}
	f.paths = nil
	return err
}

func safeName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			b[i] = '_'
		}
	}
	return string(b[:min(len(b), 64)])
}
