package pump

import (
	"time"

	"mod_audio_stream/goside/mono"
	"mod_audio_stream/goside/netpoll"
)

// While many streams run, their frames are gathered for a window. What servers send can be read meanwhile, at the price of a
// wake-up for each arrival: worth it for servers that say something now and then (a clear is heard sooner by up to a
// window), not for those that send audio frame by frame. Those are read twice in a window: for one more wake-up, audio comes
// in half as late and half as unevenly, and it is that unevenness that playback has to keep a reserve for. Short windows are short
// enough.
const (
	// quietArrivals is how many arrivals per window, on average, make it worth it. With the usual window of 5 ms, that is
	// 200 a second: what four streams get from servers that send 20 ms frames.
	quietArrivals = 1
	// quietRest is between two looks then: servers that begin to speak all at once cost so many wake-ups, and in the next
	// window none, since they are not quiet any more.
	quietRest = 250 * time.Microsecond
	// halved is the shortest window in which sockets are read twice.
	halved = 4 * time.Millisecond
	// arrivalsKept is over how many windows arrivals are averaged, about: 40 ms of the usual ones.
	arrivalsKept = 8
)

// window is the time that frames are gathered for.
type window struct {
	end      int64 // of the last one, CLOCK_MONOTONIC, ns
	arrivals int   // sum of the last ones', fading
}

// gather sleeps for a window, behind which the sockets have been looked at. It begins where the last one ended, and is over at
// once when we are late.
func (w *window) gather(length time.Duration, sockets *netpoll.Poller) {
	w.end = max(w.end+int64(length), mono.Now())
	rest, arrivals := time.Duration(0), 0
	if w.arrivals < quietArrivals*arrivalsKept {
		rest = quietRest
	} else if half := w.end - int64(length)/2; length >= halved && half > mono.Now() {
		arrivals = sockets.PollUntil(half, 0)
	}
	arrivals += sockets.PollUntil(w.end, rest)
	w.arrivals += arrivals - w.arrivals/arrivalsKept
}
