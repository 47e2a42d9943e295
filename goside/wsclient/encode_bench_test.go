package wsclient

import (
	"fmt"
	"testing"

	"github.com/gobwas/ws"
)

// Header, mask and payload of one frame into its buffer, without the socket.
func BenchmarkEncode(b *testing.B) {
	for _, size := range []int{320, 640, 1920} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			payload := make([]byte, size)
			var f frameBuf
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				f.encode(ws.OpBinary, false, payload)
			}
		})
	}
}
