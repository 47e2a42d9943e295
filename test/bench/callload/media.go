package callload

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/zaf/g711"

	"mod_audio_stream/test/bench/measure"
	"mod_audio_stream/test/bench/steps"
)

// slots are the milliseconds of a frame: calls are spread over them, as calls that begin at any time are.
const slots = steps.FrameMS

const rtpHeader = 12

// Call is one caller.
type Call struct {
	id     string
	index  int
	remote netip.AddrPort
	seq    uint16
	stamp  uint32
	step   int
	packet [rtpHeader + 160]byte
	sentAt [steps.Count]atomic.Int64 // measure.Now of the last packet with each step

	mu    sync.Mutex
	order steps.Order
	last  int // step at the end of the last packet heard
	sound int64
	heard func(step int, ns int64)
}

// SentAt is when step k was last sent; 0: never.
func (c *Call) SentAt(k int) int64 { return c.sentAt[k].Load() }

// OnHeard has f called for each step whose first sample the caller hears, with the time at which that sample is played.
func (c *Call) OnHeard(f func(step int, ns int64)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.heard = f
	c.order, c.last = steps.Order{}, steps.None
}

// Heard is what came since OnHeard.
func (c *Call) Heard() steps.Order {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order
}

// LastSound is when the last packet came that was not silence.
func (c *Call) LastSound() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.sound
}

// media is the RTP of all calls.
type media struct {
	conn   *net.UDPConn
	stop   chan struct{}
	wait   sync.WaitGroup
	late   atomic.Int64
	byPort [1 << 16]atomic.Pointer[Call]

	mu    sync.Mutex
	count int
	slot  [slots][]*Call
}

func newMedia() (*media, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	_ = conn.SetReadBuffer(8 << 20)
	if err := measure.Stamped(conn); err != nil {
		_ = conn.Close()
		return nil, err
	}
	m := &media{conn: conn, stop: make(chan struct{})}
	m.wait.Go(m.send)
	m.wait.Go(m.receive)
	return m, nil
}

func (m *media) port() int { return m.conn.LocalAddr().(*net.UDPAddr).Port }

func (m *media) close() {
	close(m.stop)
	_ = m.conn.Close()
	m.wait.Wait()
}

// add begins to send for a call whose far end is at port.
func (m *media) add(id string, port int) (*Call, error) {
	if port < 1 || port > 1<<16-1 {
		return nil, fmt.Errorf("RTP port %d", port)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &Call{id: id, index: m.count, remote: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port)), last: steps.None,
		stamp: 16000}
	c.packet[0] = 0x80 // version 2; the type is 0, PCMU
	binary.BigEndian.PutUint32(c.packet[8:], uint32(0x5eed+c.index))
	m.byPort[port].Store(c)
	m.slot[c.index%slots] = append(m.slot[c.index%slots], c)
	m.count++
	return c, nil
}

// payloads are the steps as they go out.
var payloads = func() (p [steps.Count][]byte) {
	for k := range p {
		p[k] = steps.PCMU(k)
	}
	return p
}()

// send is one thread for all calls, in real time where that is allowed: it wakes once a millisecond.
func (m *media) send() {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	clock := measure.NewTicker(time.Millisecond)
	for tick := 0; ; tick++ {
		if clock.Wait() > 5*time.Millisecond {
			m.late.Add(1)
		}
		select {
		case <-m.stop:
			return
		default:
		}
		m.mu.Lock()
		due := m.slot[tick%slots]
		m.mu.Unlock()
		now := measure.Now()
		for _, c := range due {
			binary.BigEndian.PutUint16(c.packet[2:], c.seq)
			binary.BigEndian.PutUint32(c.packet[4:], c.stamp)
			copy(c.packet[rtpHeader:], payloads[c.step])
			c.sentAt[c.step].Store(now)
			_, _ = m.conn.WriteToUDPAddrPort(c.packet[:], c.remote) // the far end may have hung up
			c.seq++
			c.stamp += 160
			c.step = (c.step + 1) % steps.Count
		}
	}
}

func (m *media) receive() {
	buf, oob := make([]byte, 2048), make([]byte, measure.StampBytes)
	for {
		n, stamp, _, from, err := m.conn.ReadMsgUDPAddrPort(buf, oob)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil || n <= rtpHeader || buf[1]&0x7f != 0 {
			continue // what an earlier packet met, or comfort noise
		}
		if c := m.byPort[from.Port()].Load(); c != nil {
			c.take(buf[rtpHeader:n], measure.Came(oob[:stamp]))
		}
	}
}

const (
	sampleNS = int64(time.Second) / 8000
	settled  = 8 // samples after which a resampler has come to the next level
)

// take looks at one packet heard.
func (c *Call) take(payload []byte, now int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	middle := g711.DecodeUlawFrame(payload[len(payload)/2])
	if !steps.Silent(middle) {
		c.sound = now
	}
	if c.heard == nil {
		return
	}
	c.order.See(middle)
	// Where a step begins inside the packet: at its first sample as a rule, elsewhere if playback did not begin with a frame.
	for i := 0; i+settled < len(payload); i++ {
		k := steps.Find(g711.DecodeUlawFrame(payload[i]))
		if k == c.last {
			if i == 0 && steps.Find(g711.DecodeUlawFrame(payload[len(payload)-1])) == k {
				return // a packet of one step, and not its first
			}
			continue
		}
		if k != steps.Find(g711.DecodeUlawFrame(payload[i+settled])) {
			continue // on the way from one level to another, which may pass through others
		}
		c.last = k
		if k != steps.None {
			c.heard(k, now+int64(i)*sampleNS)
		}
		if i == 0 && steps.Find(g711.DecodeUlawFrame(payload[len(payload)-1])) == k {
			return
		}
	}
}

// Late counts the times that the packets of all calls went out more than 5 ms late.
func (c *Caller) Late() int64 { return c.media.late.Load() }
