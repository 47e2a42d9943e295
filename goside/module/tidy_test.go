package module

import (
	"runtime/debug"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func newTestTidier() (t *tidier, freed *atomic.Int32) {
	freed = new(atomic.Int32)
	return &tidier{free: func() { freed.Add(1) }}, freed
}

func TestABurstOfStartsIsCollectedOnceBehindIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tidy, freed := newTestTidier()
		for range 20 {
			tidy.littered()
			time.Sleep(tidyQuiet / 2)
		}
		if freed.Load() != 0 {
			t.Fatalf("collected %d times within the burst", freed.Load())
		}
		time.Sleep(tidyQuiet)
		synctest.Wait()
		if freed.Load() != 1 {
			t.Fatalf("collected %d times behind the burst, want once", freed.Load())
		}
		time.Sleep(time.Hour)
		if freed.Load() != 1 {
			t.Fatalf("collected %d times with nothing to collect", freed.Load()-1)
		}
		tidy.close()
	})
}

func TestStartsThatNeverStopAreCollectedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tidy, freed := newTestTidier()
		for begun := time.Now(); time.Since(begun) < 10*tidyLate; {
			tidy.littered()
			time.Sleep(tidyQuiet / 3)
		}
		if n := freed.Load(); n < 8 || n > 10 {
			t.Fatalf("collected %d times in ten times the longest wait", freed.Load())
		}
		tidy.close()
	})
}

func TestNothingIsCollectedOnceClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tidy, freed := newTestTidier()
		tidy.littered()
		tidy.close()
		tidy.littered()
		time.Sleep(time.Hour)
		if freed.Load() != 0 {
			t.Fatalf("collected %d times behind close", freed.Load())
		}
	})
}

func TestGOGCOfTheEnvironmentIsKept(t *testing.T) {
	before := debug.SetGCPercent(100)
	defer debug.SetGCPercent(before)
	t.Setenv("GOGC", "100")
	collectEarly()
	if n := debug.SetGCPercent(100); n != 100 {
		t.Errorf("it was 100, and is %d", n)
	}
	t.Setenv("GOGC", "")
	collectEarly()
	if n := debug.SetGCPercent(100); n != gcPercent {
		t.Errorf("it is %d, want %d", n, gcPercent)
	}
}
