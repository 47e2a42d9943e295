package tempfiles

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func create(t *testing.T, f *Folder) string {
	t.Helper()
	file, err := f.Create("x_*.wav")
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Name()
}

func entries(t *testing.T, dir string) int {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

func TestFilesAreForUsAloneAndGoWithTheFolder(t *testing.T) {
	base := t.TempDir()
	f := New(base)
	if entries(t, base) != 0 {
		t.Error("a folder is made before there is a file")
	}
	a, b := create(t, f), create(t, f)
	if a == b || filepath.Dir(a) != filepath.Dir(b) || !strings.HasPrefix(a, base) {
		t.Errorf("files %s and %s", a, b)
	}
	for path, want := range map[string]os.FileMode{a: 0o600, filepath.Dir(a): 0o700 | os.ModeDir} {
		if info, err := os.Stat(path); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if entries(t, base) != 0 {
		t.Error("something is left")
	}
	create(t, f) // a stream that ends late
	if err := f.Close(); err != nil || entries(t, base) != 0 {
		t.Errorf("the second life: %v", err)
	}
}

func TestSweepRemovesWhatTheDeadHaveLeftAndNothingElse(t *testing.T) {
	base := filepath.Join(t.TempDir(), "odd [name] *")
	if err := os.Mkdir(base, 0o700); err != nil {
		t.Fatal(err)
	}
	alive, dead := New(base), New(base)
	mine, left := create(t, alive), create(t, dead)
	defer alive.Close()
	_ = dead.lock.Close() // what the end of a process does, however it comes
	foreign := filepath.Join(base, prefix+"of-somebody-else")
	if err := os.Mkdir(foreign, 0o700); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(foreign, lockName)); err != nil {
		t.Fatal(err)
	}
	n, err := New(base).Sweep()
	if n != 1 || err != nil {
		t.Errorf("%d removed, %v", n, err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s: %v", left, err)
	}
	for _, path := range []string{mine, foreign, target} {
		if _, err := os.Lstat(path); err != nil {
			t.Error(err)
		}
	}
	if n, err := New(filepath.Join(base, "missing")).Sweep(); n != 0 || err != nil {
		t.Errorf("of a missing folder: %d, %v", n, err)
	}
}

func TestAFolderThatCannotBeMadeIsSaid(t *testing.T) {
	f := New(filepath.Join(t.TempDir(), "missing"))
	if _, err := f.Create("x"); err == nil || !strings.Contains(err.Error(), "temp_dir") {
		t.Errorf("got %v", err)
	}
}
