package wsclient

// permessage-deflate (RFC 7692): compressing what we send, inflating what comes, with a limit. Compressors are large (over
// half a megabyte each), so they are shared; nothing is kept from one message of ours to the next.

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"

	"github.com/gobwas/ws/wsflate"
)

const (
	maxWindow   = 32 << 10 // bytes; the largest LZ77 window (RFC 7692 section 7.1.2)
	inflateStep = 2 << 10  // bytes; the room made before each read, so that a short message stays small
)

// deflater compresses one message at a time.
type deflater struct {
	w   *wsflate.Writer
	buf bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	return &deflater{w: wsflate.NewWriter(io.Discard, func(w io.Writer) wsflate.Compressor {
		// The level is valid, so there is no error. Audio hardly compresses: the cheapest level is the best one.
		f, _ := flate.NewWriter(w, flate.BestSpeed)
		return f
	})}
}}

// compress returns p compressed, and what to give back to deflaters once that has been copied.
func compress(p []byte) ([]byte, *deflater, error) {
	d := deflaters.Get().(*deflater)
	d.buf.Reset()
	d.w.Reset(&d.buf)
	if _, err := d.w.Write(p); err != nil {
		return nil, nil, err
	}
	if err := d.w.Flush(); err != nil {
		return nil, nil, err
	}
	return d.buf.Bytes(), d, nil
}

func (d *deflater) release() {
	if d.buf.Cap() > keepBytes {
		d.buf = bytes.Buffer{}
	}
	deflaters.Put(d)
}

// inflater decompresses the server's messages. One per connection, the reader's own.
type inflater struct {
	r      *wsflate.Reader
	dict   dictReader
	src    bytes.Reader
	window []byte // the last bytes inflated, when the server refers back to them
	keep   bool
}

func newInflater(keepWindow bool) *inflater {
	return &inflater{keep: keepWindow}
}

// dictReader lets wsflate reset a flate reader, with the window of the messages before.
type dictReader struct {
	io.ReadCloser
	owner *inflater
}

// Reset implements wsflate.ReadResetter.
func (d *dictReader) Reset(r io.Reader) {
	if d.ReadCloser == nil {
		d.ReadCloser = flate.NewReaderDict(r, d.owner.window)
		return
	}
	// flate's readers are Resetters by documentation, and Reset's error is always nil for them
	_ = d.ReadCloser.(flate.Resetter).Reset(r, d.owner.window)
}

// inflate appends the message p, decompressed, to dst, which it returns. errTooLarge beyond limit bytes; any other error
// means that p is no deflate data.
func (f *inflater) inflate(dst, p []byte, limit int) ([]byte, error) {
	f.src.Reset(p)
	if f.r == nil {
		f.dict.owner = f
		f.r = wsflate.NewReader(&f.src, func(r io.Reader) wsflate.Decompressor {
			f.dict.Reset(r)
			return &f.dict
		})
	} else {
		f.r.Reset(&f.src)
	}
	for {
		dst = room(dst, min(inflateStep, limit+1-len(dst)))
		n, err := f.r.Read(dst[len(dst):min(cap(dst), limit+1)])
		dst = dst[:len(dst)+n]
		if len(dst) > limit {
			return dst, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return dst, err
		}
	}
	if f.keep {
		f.window = append(f.window, dst[max(0, len(dst)-maxWindow):]...)
		if over := len(f.window) - maxWindow; over > 0 {
			f.window = f.window[:copy(f.window, f.window[over:])]
		}
	}
	return dst, nil
}
