package module

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"mod_audio_stream/goside/hosttest"
	"mod_audio_stream/goside/tempfiles"
)

// crashIn names the folder in which this program, run once more, leaves a file and ends without tidying up.
const crashIn = "MODULE_TEST_CRASH_IN"

func TestMain(m *testing.M) {
	base := os.Getenv(crashIn)
	if base == "" {
		os.Exit(m.Run())
	}
	if _, err := tempfiles.New(base).Create("call_*.wav"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// What a process that crashed has left is removed, and said, when the module is loaded.
func TestLoadRemovesTheFilesOfACrash(t *testing.T) {
	base := t.TempDir()
	crash := exec.CommandContext(t.Context(), os.Args[0])
	crash.Env = append(os.Environ(), crashIn+"="+base)
	if out, err := crash.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	entries := func() int {
		all, err := os.ReadDir(base)
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	if n := entries(); n != 1 {
		t.Fatalf("the crash left %d folders", n)
	}
	h := hosttest.New(base)
	h.SetConfig(nil)
	m := Start(h, h.Bell, nil)
	defer m.Stop(patience)
	if n := entries(); n != 0 {
		t.Errorf("%d folders are left", n)
	}
	for _, l := range h.Lines() {
		if strings.Contains(l.Text, "removed the files that 1 earlier processes had left in "+base) {
			return
		}
	}
	t.Errorf("it is not said: %v", h.Lines())
}
