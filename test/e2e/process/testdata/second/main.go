// Another Go library in the process, as a switch may have one among its modules: with a runtime of its own that collects
// garbage all the time.
package main

import "C"

import (
	"runtime"
	"time"
)

var kept [][]byte

func init() {
	go func() {
		for {
			kept = nil
			for range 100 {
				kept = append(kept, make([]byte, 10_000))
			}
			runtime.GC()
			time.Sleep(5 * time.Millisecond)
		}
	}()
}

//export second_library
func second_library() C.int { return 2 }

func main() {}
