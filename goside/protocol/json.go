// Reading of JSON that a server sent, in place. gjson does the scanning: it walks an object without building one,
// which is what a message per 20 ms and call needs (encoding/json takes five times as long and allocates). It neither validates
// while it walks nor bounds its recursion, so Decode checks depth and validity first.

package protocol

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"
)

// maxDepth is how deep objects and arrays may be nested.
const maxDepth = 64

// view sees data as a string without a copy. It must not outlive the call: the caller reuses data.
func view(data []byte) string { return unsafe.String(unsafe.SliceData(data), len(data)) }

// unview is the other way round; the bytes must not be written to.
func unview(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// clone makes a string that outlives the call.
func clone(s string) string { return strings.Clone(s) }

// firstByte is the first byte that is not white space, 0 when there is none.
func firstByte(data []byte) byte {
	for _, c := range data {
		if c != ' ' && c != '\t' && c != '\r' && c != '\n' {
			return c
		}
	}
	return 0
}

// deeperThan reports whether brackets outside of strings nest more than limit levels deep. Strings, where the audio
// is, are skipped by IndexByte, which is why this costs little.
func deeperThan(data []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if depth++; depth > limit {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			for {
				n := bytes.IndexByte(data[i+1:], '"')
				if n < 0 {
					return false // not closed: not valid, which is found later
				}
				start := i + 1
				i = start + n
				escapes := 0
				for i-1-escapes >= start && data[i-1-escapes] == '\\' {
					escapes++
				}
				if escapes%2 == 0 {
					break
				}
			}
		}
	}
	return false
}

// members2 finds two members of the object that json is, each zero when absent.
func members2(json, key1, key2 string) (v1, v2 gjson.Result) {
	gjson.Parse(json).ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case key1:
			setOnce(&v1, value)
		case key2:
			setOnce(&v2, value)
		}
		return true
	})
	return v1, v2
}

// member finds one member of an object, zero when it is absent or body is no object. Unlike gjson.Get it takes
// key literally.
func member(body gjson.Result, key string) (v gjson.Result) {
	if body.IsObject() {
		body.ForEach(func(k, value gjson.Result) bool {
			if k.Str == key {
				v = value
				return false
			}
			return true
		})
	}
	return v
}

func setOnce(v *gjson.Result, value gjson.Result) {
	if !v.Exists() {
		*v = value
	}
}

// maxShown is how much of a wrong value is repeated in an error, in bytes.
const maxShown = 40

// bad words an error about one field; the value is shown short and on one line.
func bad(kind, field string, got gjson.Result, expected string) error {
	what := typeName(got)
	switch got.Type {
	case gjson.String:
		what = strconv.QuoteToGraphic(clip(got.Str))
	case gjson.Number:
		what = clip(got.Raw)
	}
	return fmt.Errorf("%w: %s: %s is %s; expected %s", ErrBadMessage, kind, field, what, expected)
}

func clip(s string) string {
	if len(s) <= maxShown {
		return s
	}
	return strings.ToValidUTF8(s[:maxShown], "") + "..."
}

func typeName(v gjson.Result) string {
	switch {
	case !v.Exists():
		return "missing"
	case v.IsArray():
		return "an array"
	case v.IsObject():
		return "an object"
	case v.IsBool():
		return "a boolean"
	case v.Type == gjson.Number:
		return "a number"
	case v.Type == gjson.String:
		return "a string"
	}
	return "null"
}
