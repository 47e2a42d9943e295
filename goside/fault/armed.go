//go:build faults

// Package fault in a build for tests.
package fault

import "os"

// Folder is the environment variable that names the folder of the faults: a file in it with a place's name is the order to
// panic there, once.
const Folder = "AUDIO_STREAM_FAULTS"

// At panics if a test asked for a panic at this place.
func At(place string) {
	if dir := os.Getenv(Folder); dir != "" && os.Remove(dir+"/"+place) == nil {
		panic("injected at " + place) //nolint:forbidigo // it is what this is for
	}
}
