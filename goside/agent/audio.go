// Audio as the agent handles it: sample slices, WAV files and streamAudio messages. No sockets.

package agent

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"

	"github.com/go-audio/audio"
	"github.com/go-audio/wav"
)

// wavPCM is the format tag of linear PCM in a WAV header.
const wavPCM = 1

// Bytes turns samples into L16 little-endian, as it goes over the socket.
func Bytes(samples []int16) []byte {
	b := make([]byte, 2*len(samples))
	for i, s := range samples {
		binary.LittleEndian.PutUint16(b[2*i:], uint16(s))
	}
	return b
}

// Samples turns L16 little-endian into samples; an odd byte at the end is left out.
func Samples(b []byte) []int16 {
	samples := make([]int16, len(b)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return samples
}

// StreamAudio is the JSON message that carries audio. kind is raw, pcmu, pcma, wav, mp3 or ogg; rate in Hz.
func StreamAudio(kind string, rate int, data []byte) string {
	type payload struct {
		AudioDataType string `json:"audioDataType"`
		SampleRate    int    `json:"sampleRate"`
		AudioData     string `json:"audioData"`
	}
	b, err := json.Marshal(struct {
		Type string  `json:"type"`
		Data payload `json:"data"`
	}{"streamAudio", payload{kind, rate, base64.StdEncoding.EncodeToString(data)}})
	if err != nil { // strings and numbers always marshal
		return ""
	}
	return string(b)
}

// SineWave gives n samples of a sine. amplitude is the peak, 0 to 32767.
func SineWave(hz float64, rate, n int, amplitude float64) []int16 {
	samples := make([]int16, n)
	step := 2 * math.Pi * hz / float64(rate)
	for i := range samples {
		samples[i] = int16(math.Round(amplitude * math.Sin(step*float64(i))))
	}
	return samples
}

// ReadWAV reads a whole 16 bit PCM file.
func ReadWAV(path string) (samples []int16, rate, channels int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, 0, err
	}
	defer f.Close()
	d := wav.NewDecoder(f)
	buf, err := d.FullPCMBuffer()
	if err != nil {
		return nil, 0, 0, fmt.Errorf("%s is not a readable WAV file: %w", path, err)
	}
	if d.BitDepth != 16 || d.WavAudioFormat != wavPCM {
		return nil, 0, 0, fmt.Errorf("%s has %d bits per sample in format %d; 16 bit PCM is needed (sox in.wav -b 16 -e signed out.wav)",
			path, d.BitDepth, d.WavAudioFormat)
	}
	samples = make([]int16, len(buf.Data))
	for i, v := range buf.Data {
		samples[i] = int16(v)
	}
	return samples, int(d.SampleRate), int(d.NumChans), nil
}

// WriteWAV writes a 16 bit PCM file; samples are interleaved.
func WriteWAV(path string, samples []int16, rate, channels int) error {
	w, err := CreateWAV(path, rate, channels)
	if err != nil {
		return err
	}
	if err := w.Write(samples); err != nil {
		_ = w.Close()
		return err
	}
	return w.Close()
}

// WAVWriter writes a 16 bit PCM file piece by piece.
type WAVWriter struct {
	file    *os.File
	encoder *wav.Encoder
	format  *audio.Format
}

// CreateWAV starts a file; rate in Hz.
func CreateWAV(path string, rate, channels int) (*WAVWriter, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	return &WAVWriter{
		file:    f,
		encoder: wav.NewEncoder(f, rate, 16, channels, wavPCM),
		format:  &audio.Format{NumChannels: channels, SampleRate: rate},
	}, nil
}

// Write appends interleaved samples.
func (w *WAVWriter) Write(samples []int16) error {
	data := make([]int, len(samples))
	for i, s := range samples {
		data[i] = int(s)
	}
	return w.encoder.Write(&audio.IntBuffer{Format: w.format, Data: data, SourceBitDepth: 16})
}

// Close completes the header and closes the file.
func (w *WAVWriter) Close() error {
	err := w.encoder.Close()
	if cerr := w.file.Close(); err == nil {
		err = cerr
	}
	return err
}
