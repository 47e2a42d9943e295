package main

/*
#cgo CFLAGS: -I${SRCDIR}/../include -std=gnu11
#include <stdlib.h>
#include "audio_stream.h"
*/
import "C"

import (
	"fmt"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"mod_audio_stream/goside/command"
	"mod_audio_stream/goside/fault"
	"mod_audio_stream/goside/host"
	"mod_audio_stream/goside/module"
)

// loaded is the module between as_go_start and as_go_stop.
var loaded atomic.Pointer[module.Module]

const (
	notLoaded = "-ERR the module is not loaded\n"
	broken    = "-ERR internal error, see the log\n"
)

//export as_go_start
func as_go_start(contract C.uint32_t, bell *C.as_doorbell_t, config *C.char, configLen C.uint64_t, why *C.as_text_t) (status C.int) {
	defer func() {
		if r := recover(); r != nil {
			setText(why, fmt.Sprintf("internal error at load: %v\n%s", r, debug.Stack()))
			status = C.AS_REFUSED
		}
	}()
	fault.At("as_go_start")
	if contract != C.AS_CONTRACT_VERSION {
		setText(why, fmt.Sprintf("the C and the Go part differ (contract %d and %d): build the module anew", contract,
			C.AS_CONTRACT_VERSION))
		return C.AS_REFUSED
	}
	d, err := newDoorbell(unsafe.Pointer(bell))
	if err != nil {
		setText(why, "doorbell: "+err.Error())
		return C.AS_REFUSED
	}
	loaded.Store(module.Start(switchHost{}, d, pairs(C.GoBytes(unsafe.Pointer(config), C.int(configLen)))))
	return C.AS_OK
}

//export as_go_completions
func as_go_completions(lines *C.as_text_t) {
	defer recovered()
	fault.At("as_go_completions")
	setText(lines, strings.Join(command.Completions(), "\n")+"\n")
}

//export as_go_stop
func as_go_stop(deadlineMS C.uint32_t) (left C.int) {
	defer recovered()
	m := loaded.Swap(nil)
	if m == nil {
		return 0
	}
	// Deferred: whatever fails before it, no pump may be left that would take the next load's bells.
	defer func() { left += C.int(m.Stop(time.Duration(deadlineMS) * time.Millisecond)) }()
	left = 1
	fault.At("as_go_stop")
	return 0
}

//export as_go_command
func as_go_command(uuid, line *C.char, reply *C.as_text_t) {
	text := broken
	defer func() { setText(reply, text) }()
	defer recovered()
	fault.At("as_go_command")
	m := loaded.Load()
	if m == nil {
		text = notLoaded
		return
	}
	text = m.Command(C.GoString(uuid), C.GoString(line))
}

//export as_go_break
func as_go_break(uuid *C.char) {
	defer recovered()
	fault.At("as_go_break")
	if m := loaded.Load(); m != nil {
		m.Break(C.GoString(uuid))
	}
}

//export as_go_module_command
func as_go_module_command(line *C.char, reply *C.as_text_t) {
	text := broken
	defer func() { setText(reply, text) }()
	defer recovered()
	fault.At("as_go_module_command")
	m := loaded.Load()
	if m == nil {
		text = notLoaded
		return
	}
	text = m.ModuleCommand(C.GoString(line))
}

// recovered keeps a panic inside Go. What it hits has its own recover that fails a stream or words a reply; this is the
// net below.
func recovered() {
	if r := recover(); r != nil {
		switchHost{}.Log(host.LevelError, "", fmt.Sprintf("mod_audio_stream: internal error in a call from the switch: %v\n%s", r, debug.Stack()))
	}
}

// setText hands a text to C, which frees it with as_text_free.
func setText(out *C.as_text_t, text string) {
	out.ptr = C.CString(text)
	out.len = C.uint64_t(len(text))
}

// takeText copies a text that C made and frees it.
func takeText(t *C.as_text_t) []byte {
	defer C.as_text_free(t)
	if t.ptr == nil {
		return nil
	}
	return C.GoBytes(unsafe.Pointer(t.ptr), C.int(t.len))
}

// pairs reads name NUL value NUL, one behind the other.
func pairs(data []byte) map[string]string {
	params := map[string]string{}
	parts := strings.Split(string(data), "\x00")
	for i := 0; i+1 < len(parts); i += 2 {
		params[parts[i]] = parts[i+1]
	}
	return params
}
