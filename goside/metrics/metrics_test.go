package metrics

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"mod_audio_stream/goside/stats"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPageShowsTheStatusOfTheModule(t *testing.T) {
	st := stats.Status{Streams: 3, StreamsStarted: 9}
	st.Sum.FramesSent = 1234
	st.Lost.Frames.SendQueue = 7
	s, err := Listen("127.0.0.1:0", func() stats.Status { return st }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Get("http://" + s.Addr() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	page, err := io.ReadAll(res.Body)
	res.Body.Close()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"audio_stream_streams 3", "audio_stream_streams_started_total 9", "audio_stream_frames_sent 1234",
		`audio_stream_frames_dropped_total{reason="send_queue"} 7`} {
		if !strings.Contains(string(page), line+"\n") {
			t.Errorf("%q is not on the page:\n%s", line, page)
		}
	}
}

// Collecting runs on a goroutine of the library that recovers nothing: a panic there would end the switch.
func TestAPanicWhileReadingTheFiguresFailsOneScrape(t *testing.T) {
	fine := false
	said := make(chan string, 10)
	s, err := Listen("127.0.0.1:0", func() stats.Status {
		if !fine {
			panic("on purpose")
		}
		return stats.Status{}
	}, func(err error) { said <- err.Error() })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, want := range []int{http.StatusInternalServerError, http.StatusOK} {
		res, err := client.Get("http://" + s.Addr() + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != want {
			t.Errorf("status %d, want %d", res.StatusCode, want)
		}
		fine = true
	}
	if line := <-said; !strings.Contains(line, "on purpose") || !strings.Contains(line, "goroutine ") {
		t.Errorf("told %q", line)
	}
}

func TestAnAddressThatIsTakenIsAnError(t *testing.T) {
	s, err := Listen("127.0.0.1:0", func() stats.Status { return stats.Status{} }, func(err error) { t.Error(err) })
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if other, err := Listen(s.Addr(), func() stats.Status { return stats.Status{} }, func(error) {}); err == nil {
		other.Close()
		t.Error("a second listener on the same address was allowed")
	}
}
