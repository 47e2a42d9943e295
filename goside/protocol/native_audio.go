// streamAudio of the native dialect: audio in base64, to be played or to be stored.

package protocol

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"mod_audio_stream/goside/events"
	"mod_audio_stream/goside/settings"

	"github.com/tidwall/gjson"
)

// maxScratch is the largest decode buffer that a Message keeps, in bytes: 680 ms of L16 at 48 kHz. A longer
// chunk gets memory of its own, so that one large message does not stay with the stream for the rest of the call.
const maxScratch = 64 << 10

// decodeStreamAudio reads data of streamAudio: audioDataType, audioData, sampleRate (must be there for raw, 8000 when it
// is absent for pcmu and pcma, and not looked at for wav, mp3 and ogg, which say it themselves), channels (1 or 2,
// optional, not for files) and play (true: a wav, mp3 or ogg file is played instead of stored).
//
// Empty audioData is nothing to play, and a mistake where a file is to be stored. L16 of an odd length is left as it is
// for the player.
func decodeStreamAudio(body gjson.Result, playback bool, into *Message) error {
	if !body.IsObject() {
		return bad("streamAudio", "data", body, "an object")
	}
	var kind, rate, channels, play, audio gjson.Result
	body.ForEach(func(key, value gjson.Result) bool {
		switch key.Str {
		case "audioDataType":
			setOnce(&kind, value)
		case "sampleRate":
			setOnce(&rate, value)
		case "channels":
			setOnce(&channels, value)
		case "play":
			setOnce(&play, value)
		case "audioData":
			setOnce(&audio, value)
		}
		return true
	})
	container := false
	if kind.Type == gjson.String {
		switch kind.Str {
		case "raw":
			into.Format = L16
		case "pcmu":
			into.Format, into.Rate = PCMU, 8000
		case "pcma":
			into.Format, into.Rate = PCMA, 8000
		case "wav", "mp3", "ogg":
			container = true
		default:
			return bad("streamAudio", "data.audioDataType", kind, "raw, pcmu, pcma, wav, mp3 or ogg")
		}
	} else {
		return bad("streamAudio", "data.audioDataType", kind, "raw, pcmu, pcma, wav, mp3 or ogg")
	}
	if !container {
		if rate.Exists() || into.Rate == 0 {
			hz := int(rate.Num)
			if rate.Type != gjson.Number || float64(hz) != rate.Num || !settings.ValidRate(hz) {
				return bad("streamAudio", "data.sampleRate", rate,
					"one of 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000")
			}
			into.Rate = hz
		}
		into.Channels = 1
		if channels.Exists() {
			if channels.Type != gjson.Number || (channels.Num != 1 && channels.Num != 2) {
				return bad("streamAudio", "data.channels", channels, "1 or 2")
			}
			into.Channels = int(channels.Num)
		}
	}
	if play.Exists() && !play.IsBool() {
		return bad("streamAudio", "data.play", play, "true or false")
	}
	if audio.Type != gjson.String {
		// its value is not shown: it may be the audio
		return fmt.Errorf("%w: streamAudio: data.audioData is %s; expected a string of base64", ErrBadMessage, typeName(audio))
	}
	if playback && !container {
		pcm, err := decodeBase64(into.scratch, audio.Str)
		if err != nil {
			return err
		}
		if cap(pcm) <= maxScratch {
			into.scratch = pcm[:0]
		}
		into.Kind, into.Audio = Audio, pcm
		return nil
	}
	contents, err := decodeBase64(nil, audio.Str)
	if err != nil {
		return err
	}
	if len(contents) == 0 {
		return fmt.Errorf("%w: streamAudio: data.audioData is empty; expected the contents of a file", ErrBadMessage)
	}
	into.FileData, into.FileType = contents, fileType(kind.Str, into.Rate)
	if playback && play.Bool() {
		into.Kind = PlayFile
		return nil
	}
	into.Kind = File
	into.PlayBody = playBody(body)
	return nil
}

// fileType is the ending of a stored file, as the community module names it: raw at a rate of whole kilohertz is r8, r16
// and so on.
func fileType(kind string, rate int) string {
	switch kind {
	case "wav":
		return "wav"
	case "mp3":
		return "mp3"
	case "ogg":
		return "ogg"
	case "pcmu":
		return "pcmu"
	case "pcma":
		return "pcma"
	}
	switch rate {
	case 8000:
		return "r8"
	case 16000:
		return "r16"
	case 24000:
		return "r24"
	case 32000:
		return "r32"
	case 48000:
		return "r48"
	}
	return "raw"
}

// decodeBase64 decodes the standard alphabet (RFC 4648, section 4), padded or not, into buf, which grows as needed. White space
// is skipped: encoders that break lines are common.
func decodeBase64(buf []byte, text string) ([]byte, error) {
	trimmed := strings.TrimRight(text, " \t\r\n")
	bare := strings.TrimRight(trimmed, "=")
	if len(trimmed)-len(bare) > 2 {
		return nil, badBase64(len(bare))
	}
	need := base64.RawStdEncoding.DecodedLen(len(bare))
	if cap(buf) < need {
		buf = make([]byte, need)
	}
	n, err := base64.RawStdEncoding.Decode(buf[:need], unview(bare))
	if err == nil {
		return buf[:n], nil
	}
	if strings.ContainsAny(bare, " \t") {
		return decodeBase64(buf, strings.NewReplacer(" ", "", "\t", "").Replace(bare))
	}
	var at base64.CorruptInputError
	errors.As(err, &at)
	return nil, badBase64(int(at))
}

func badBase64(at int) error {
	return fmt.Errorf("%w: streamAudio: data.audioData is not base64 (character %d); expected the standard alphabet, A-Z a-z 0-9 + /",
		ErrBadMessage, at)
}

// playBody keeps data for the play event: the members in the server's order and spelling, without the blanks between them,
// without audioData, and without a file of the server's own, which would be mistaken for ours. It copies what it keeps.
func playBody(body gjson.Result) func(path string) []byte {
	kept := bytes.NewBuffer(append(make([]byte, 0, 128), '{'))
	body.ForEach(func(key, value gjson.Result) bool {
		if key.Str != "audioData" && key.Str != "file" {
			kept.WriteString(key.Raw)
			kept.WriteByte(':')
			if value.IsObject() || value.IsArray() {
				before := kept.Len()
				if json.Compact(kept, unview(value.Raw)) != nil {
					kept.Truncate(before)
					kept.WriteString(value.Raw)
				}
			} else {
				kept.WriteString(value.Raw)
			}
			kept.WriteByte(',')
		}
		return true
	})
	kept.WriteString(`"file":`)
	start := kept.Bytes()
	return func(path string) []byte {
		b := append(make([]byte, 0, len(start)+len(path)+16), start...)
		return append(events.AppendString(b, path), '}')
	}
}
