package playback

import (
	"errors"
	"testing"
	"time"
)

// Each sample of another rate than the one before takes a block: two hundred thousand of them would be 800 MiB.
func TestAServerThatChangesTheRateWithEverySampleIsRefusedBeforeItCostsMemory(t *testing.T) {
	p := newPhone(t, 8000, 2*time.Minute)
	p.Pause()
	var refused error
	n := 0
	for ; n < 200_000 && refused == nil; n++ {
		refused = p.Play([]byte{1, 2}, L16, []int{8000, 16000}[n%2], 1)
	}
	if !errors.Is(refused, ErrOverflow) {
		t.Fatalf("after %d samples: %v", n, refused)
	}
	if mib := p.q.blocks() * blockSamples * 2 >> 20; mib > 13 {
		t.Errorf("%d MiB are kept for %v", mib, p.Snapshot().Queued)
	}
	p.Clear(0)
	if err := p.Play([]byte{1, 2}, L16, 8000, 1); err != nil {
		t.Errorf("after a clear: %v", err)
	}
}

// The longest queue at the highest rate fits, in pieces of any size.
func TestTheLongestQueueFitsInItsBlocks(t *testing.T) {
	p := newPhone(t, 48000, 2*time.Second)
	p.Pause()
	for range 100 {
		p.play(t, signal(0, 960), 48000)
	}
	if q := p.Snapshot().Queued; q != 2*time.Second {
		t.Errorf("%v are queued", q)
	}
}
