package main

/*
#include <stdlib.h>
#include "audio_stream.h"
*/
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
	"unsafe"

	"mod_audio_stream/goside/host"
)

// switchHost is host.Host over FreeSWITCH.
type switchHost struct{}

func statusError(status C.as_status_t, why []byte) error {
	var err error
	switch status {
	case C.AS_OK:
		return nil
	case C.AS_GONE:
		err = host.ErrGone
	case C.AS_NO_MEDIA:
		err = host.ErrNoMedia
	case C.AS_NO_MEMORY:
		err = host.ErrNoMemory
	default:
		err = host.ErrRefused
	}
	if len(why) > 0 {
		return fmt.Errorf("%w: %s", err, why)
	}
	return err
}

// cstring makes a C string; a NUL would end it early, and no text that is passed here may hold one.
func cstring(s string) (*C.char, func()) {
	p := C.CString(strings.ReplaceAll(s, "\x00", ""))
	return p, func() { C.free(unsafe.Pointer(p)) }
}

// optional is cstring, with nil for "".
func optional(s string) (*C.char, func()) {
	if s == "" {
		return nil, func() {}
	}
	return cstring(s)
}

func (switchHost) Variables(uuid string, names []string) (map[string]string, error) {
	id, free := cstring(uuid)
	defer free()
	list := C.CString(strings.Join(names, "\x00") + "\x00") // C.CString copies the NULs inside as they are
	defer C.free(unsafe.Pointer(list))
	var out C.as_text_t
	status := C.as_channel_variables(id, list, C.uint32_t(len(names)), &out)
	data := takeText(&out)
	if err := statusError(status, nil); err != nil {
		return nil, err
	}
	vars := make(map[string]string, len(names))
	for _, name := range names {
		end := bytes.IndexByte(data[1:], 0) + 1
		if data[0] == 1 {
			vars[name] = string(data[1:end])
		}
		data = data[end+1:]
	}
	return vars, nil
}

func (switchHost) SetVariable(uuid, name, value string) error {
	id, freeID := cstring(uuid)
	defer freeID()
	n, freeName := cstring(name)
	defer freeName()
	v, freeValue := cstring(value)
	defer freeValue()
	return statusError(C.as_channel_set(id, n, v), nil)
}

func flag(b bool) C.uint32_t {
	if b {
		return 1
	}
	return 0
}

func (switchHost) Attach(uuid string, want host.Attach) (host.Attached, error) {
	id, free := cstring(uuid)
	defer free()
	w := C.as_attach_t{
		legs: C.uint32_t(want.Legs), playback: flag(want.Playback), replace: flag(want.Replace), answer: flag(want.Answer),
		dtmf: flag(want.DTMF), capture_ms: C.uint32_t(want.Capture / time.Millisecond), playout_ms: C.uint32_t(want.PlayoutMS),
	}
	var got C.as_attached_t
	var why C.as_text_t
	status := C.as_attach(id, &w, &got, &why)
	if err := statusError(status, takeText(&why)); err != nil {
		return host.Attached{}, err
	}
	return host.Attached{
		Media: newMedia(unsafe.Pointer(got.media)), ReadRate: int(got.read_rate), WriteRate: int(got.write_rate),
		PtimeMS: int(got.ptime_ms), Answered: got.answered != 0,
	}, nil
}

func (switchHost) FireEvent(uuid, stream, subclass, body string) error {
	id, freeID := cstring(uuid)
	defer freeID()
	s, freeStream := cstring(stream)
	defer freeStream()
	sub, freeSub := cstring(subclass)
	defer freeSub()
	b, freeBody := cstring(body)
	defer freeBody()
	return statusError(C.as_event_fire(id, s, sub, b), nil)
}

func (switchHost) Hangup(uuid, cause string) error {
	id, freeID := cstring(uuid)
	defer freeID()
	c, freeCause := optional(cause)
	defer freeCause()
	return statusError(C.as_channel_hangup(id, c), nil)
}

func (switchHost) Transfer(uuid, extension, dialplan, context string) error {
	id, freeID := cstring(uuid)
	defer freeID()
	ext, freeExt := cstring(extension)
	defer freeExt()
	dp, freeDP := optional(dialplan)
	defer freeDP()
	ctx, freeCtx := optional(context)
	defer freeCtx()
	return statusError(C.as_channel_transfer(id, ext, dp, ctx), nil)
}

func (switchHost) SendDTMF(uuid, digits string) error {
	id, freeID := cstring(uuid)
	defer freeID()
	d, freeDigits := cstring(digits)
	defer freeDigits()
	return statusError(C.as_channel_send_dtmf(id, d), nil)
}

func (switchHost) Log(level host.Level, uuid, text string) {
	id, freeID := optional(uuid)
	defer freeID()
	t, freeText := cstring(text)
	defer freeText()
	C.as_log(C.int(level), id, t)
}

var errNoConfig = errors.New("audio_stream.conf is not there")

func (switchHost) Config() (map[string]string, error) {
	var out C.as_text_t
	status := C.as_config_read(&out)
	data := takeText(&out)
	if status == C.AS_REFUSED {
		return nil, errNoConfig
	}
	return pairs(data), statusError(status, nil)
}

func (switchHost) TempDir() string { return C.GoString(C.as_temp_dir()) }

func (switchHost) MediaHeld() int { return int(C.as_stream_count()) }

func (switchHost) Version() string { return C.GoString(C.as_host_version()) }
