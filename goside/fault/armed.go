//go:build faults

// Package fault in a build for tests.
package fault

import (
	"os"
	"path/filepath"
)

// Folder is the environment variable that names the folder of the faults: a file in it with a place's name is the order to
// panic there, once.
const Folder = "AUDIO_STREAM_FAULTS"

// At panics if a test asked for a panic at this place.
func At(place string) {
	if dir := os.Getenv(Folder); dir != "" && os.Remove(dir+"/"+place) == nil {
		panic("injected at " + place) //nolint:forbidigo // it is what this is for
	}
}

// Test is what Arm needs of a *testing.T, which a module has no business with.
type Test interface {
	Helper()
	TempDir() string
	Setenv(key, value string)
	Fatal(args ...any)
}

// Arm gives the order to panic at a place, for the time of a test.
func Arm(t Test, place string) {
	t.Helper()
	dir := t.TempDir()
	t.Setenv(Folder, dir)
	if err := os.WriteFile(filepath.Join(dir, place), nil, 0o600); err != nil {
		t.Fatal(err)
	}
}
