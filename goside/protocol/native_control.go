// Call control of the native dialect: hangup, transfer, sendDtmf. Only the form is checked here; whether the server may
// ask for it is for the caller (STREAM_ALLOW_CONTROL).

package protocol

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/tidwall/gjson"
)

// Limits of the fields, in bytes.
const (
	maxExtension = 256
	maxWord      = 128
	maxDigits    = 64
)

const (
	letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	numbers = "0123456789"
	// dtmfDigits is what FreeSWITCH sends as digits (F is a hook flash), w and W for a pause, and + and @ which part groups and
	// give durations.
	dtmfDigits = numbers + "ABCDabcdFf*#wW+@"
)

// decodeHangup takes data.cause, a hangup cause of FreeSWITCH by name or number; without it, normal clearing.
func decodeHangup(body gjson.Result, into *Message) error {
	if body.Exists() && !body.IsObject() {
		return bad("hangup", "data", body, "an object, or none")
	}
	cause, ok := word(body, "cause", letters+numbers+"_")
	if !ok {
		return bad("hangup", "data.cause", member(body, "cause"), "the name of a hangup cause, such as USER_BUSY")
	}
	into.Kind, into.Cause = Hangup, cause
	return nil
}

// decodeTransfer takes data.extension, and data.dialplan and data.context if given.
//
// Two things are refused because they would let a server that may transfer a call run any application, system
// among them: the inline dialplan, whose extension is a list of applications, and "$" in the extension, which a dialplan that
// passes the number on to an application would expand.
func decodeTransfer(body gjson.Result, into *Message) error {
	ext := member(body, "extension")
	if ext.Type != gjson.String || ext.Str == "" || len(ext.Str) > maxExtension || !utf8.ValidString(ext.Str) ||
		strings.ContainsFunc(ext.Str, unicode.IsControl) || strings.Contains(ext.Str, "$") {
		return bad("transfer", "data.extension", ext, "a number or name of 1 to 256 bytes, without control characters and $")
	}
	dialplan, ok := word(body, "dialplan", letters+numbers+"_-.")
	if !ok || strings.EqualFold(dialplan, "inline") {
		return bad("transfer", "data.dialplan", member(body, "dialplan"), "the name of a dialplan, such as XML, and not inline")
	}
	context, ok := word(body, "context", letters+numbers+"_-.@:")
	if !ok {
		return bad("transfer", "data.context", member(body, "context"), "the name of a context")
	}
	into.Kind, into.Extension, into.Dialplan, into.Context = Transfer, clone(ext.Str), dialplan, context
	return nil
}

func decodeSendDTMF(body gjson.Result, into *Message) error {
	digits := member(body, "digits")
	if digits.Type != gjson.String || digits.Str == "" || len(digits.Str) > maxDigits || strings.Trim(digits.Str, dtmfDigits) != "" {
		return bad("sendDtmf", "data.digits", digits, "a string of 1 to 64 of the characters 0-9 A-D F * # w W + @")
	}
	into.Kind, into.Digits = SendDTMF, clone(digits.Str)
	return nil
}

// word reads an optional string of the characters of set; absent, null and "" are all "".
func word(body gjson.Result, key, set string) (string, bool) {
	v := member(body, key)
	switch {
	case v.Type == gjson.Null: // also when absent
		return "", true
	case v.Type != gjson.String || len(v.Str) > maxWord || strings.Trim(v.Str, set) != "":
		return "", false
	}
	return clone(v.Str), true
}
