package command

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"mod_audio_stream/goside/settings"
)

func TestStartReadsURLMixRateAndMetadata(t *testing.T) {
	const url = "ws://host:8080/path?a=b"
	start := func(mix settings.Mix, rate int, text string) Command {
		return Command{Stream: DefaultStream, Verb: Start, URL: url, Mix: mix, Rate: rate, Text: text, HasText: text != ""}
	}
	for line, want := range map[string]Command{
		"start " + url + " mono":                      start(settings.Mono, 8000, ""),
		"START " + url + " Mono":                      start(settings.Mono, 8000, ""),
		"start " + url + " mixed":                     start(settings.Mixed, 8000, ""),
		"start " + url + " STEREO":                    start(settings.Stereo, 8000, ""),
		"start " + url + " mono 16k":                  start(settings.Mono, 16000, ""),
		"start " + url + " mono 16k\n":                start(settings.Mono, 16000, ""),
		"start " + url + " mono 16k\r\n":              start(settings.Mono, 16000, ""),
		"start " + url + " mono 16k ":                 start(settings.Mono, 16000, ""),
		"  start  " + url + "\tmono   16000   ":       start(settings.Mono, 16000, ""),
		"start '" + url + "' mono":                    start(settings.Mono, 8000, ""),
		`start "` + url + `" mono`:                    start(settings.Mono, 8000, ""),
		"start " + url + ` mono {"a":1}`:              start(settings.Mono, 8000, `{"a":1}`),
		"start " + url + ` mono 16k {"a":1}`:          start(settings.Mono, 16000, `{"a":1}`),
		"start " + url + ` mono 16k {"a": "x y"} z`:   start(settings.Mono, 16000, `{"a": "x y"} z`),
		"start " + url + ` mono 16k '{"a":1}'`:        start(settings.Mono, 16000, `{"a":1}`),
		"start " + url + ` mono 16k "{"a":1}"`:        start(settings.Mono, 16000, `{"a":1}`),
		"start " + url + ` mono "8000"`:               start(settings.Mono, 8000, "8000"),
		"start " + url + ` mono '-1 apples'`:          start(settings.Mono, 8000, "-1 apples"),
		"start " + url + ` mono hello world`:          start(settings.Mono, 8000, "hello world"),
		"start " + url + ` mono 8k 8k`:                start(settings.Mono, 8000, "8k"),
		"start " + url + ` mono 8k  two blanks `:      start(settings.Mono, 8000, " two blanks "),
		"start " + url + ` mono 8k \"\\ \n '`:         start(settings.Mono, 8000, `\"\\ \n '`),
		"start " + url + " mono 8k a\tb\n":            start(settings.Mono, 8000, "a\tb"),
		"start " + url + " mono 8k line one\nline 2":  start(settings.Mono, 8000, "line one\nline 2"),
		"start " + url + " mono 8k grüße ☎":           start(settings.Mono, 8000, "grüße ☎"),
		"start " + url + ` mono ""`:                   start(settings.Mono, 8000, ""),
		"start " + url + ` mono 16k ''`:               start(settings.Mono, 16000, ""),
		"start " + url + ` mono 16k "`:                start(settings.Mono, 16000, `"`),
		"start " + url + ` mono 16k ""x""`:            start(settings.Mono, 16000, `"x"`),
		"start " + url + ` mono 16k "x'`:              start(settings.Mono, 16000, `"x'`),
		"start " + url + ` mono 16k name=x`:           start(settings.Mono, 16000, `name=x`),
		"start " + url + ` mono [1]`:                  start(settings.Mono, 8000, `[1]`),
		"start " + url + ` mono .5`:                   start(settings.Mono, 8000, `.5`),
		"start " + url + ` mono 16k "two" "quotes"`:   start(settings.Mono, 16000, `two" "quotes`),
		"start " + url + " mono 16k " + `'it's fine'`: start(settings.Mono, 16000, `it's fine`),
	} {
		got, err := Parse(line)
		if err != nil || got != want {
			t.Errorf("Parse(%q)\n got %+v, %v\nwant %+v", line, got, err, want)
		}
	}
}

func TestStartTakesTheListedRatesAndNoOthers(t *testing.T) {
	for word, hz := range map[string]int{
		"8000": 8000, "11025": 11025, "12000": 12000, "16000": 16000, "22050": 22050, "24000": 24000, "32000": 32000,
		"44100": 44100, "48000": 48000, "8k": 8000, "12k": 12000, "16k": 16000, "24k": 24000, "32k": 32000, "48k": 48000,
		"16K": 16000,
	} {
		for _, text := range []string{"", " {}", " 1"} {
			c, err := Parse("start ws://h mono " + word + text)
			if err != nil || c.Rate != hz || c.Text != strings.TrimPrefix(text, " ") {
				t.Errorf("%s%s: %+v, %v", word, text, c, err)
			}
		}
	}
	for _, word := range []string{"-8000", "+8000", "8001", "16khz", "0x1f40", "08000", "8000.0", "8e3", "0", "1", "11k", "22k",
		"44k", "64000", "96000", "8000,", "8,000", "99999999999999999999", "8000{}", "16k{", "-", "+", "٨"} {
		c, err := Parse("start ws://h mono " + word + " {}")
		if word == "٨" { // a digit elsewhere: not ASCII, so it is metadata
			if err != nil || c.Text != "٨ {}" {
				t.Errorf("%s: %+v, %v", word, c, err)
			}
			continue
		}
		var e *Error
		if !errors.As(err, &e) || !strings.Contains(e.Reason, settings.RateNames) || !strings.Contains(e.Reason, word) {
			t.Errorf("rate %s: %+v, %v", word, c, err)
		}
	}
}

func TestVerbsAndAliasesAreReadInAnyCase(t *testing.T) {
	for line, want := range map[string]Command{
		"stop":                         {Verb: Stop},
		"Stop":                         {Verb: Stop},
		"stop ":                        {Verb: Stop},
		"stop bye now":                 {Verb: Stop, Text: "bye now", HasText: true},
		`stop "bye"`:                   {Verb: Stop, Text: "bye", HasText: true},
		`stop ""`:                      {Verb: Stop},
		"send_text hello":              {Verb: SendText, Text: "hello", HasText: true},
		"SEND_TEXT  hello":             {Verb: SendText, Text: " hello", HasText: true},
		`send_text "   "`:              {Verb: SendText, Text: "   ", HasText: true},
		`send_text {"a": "b \" \\ c"}`: {Verb: SendText, Text: `{"a": "b \" \\ c"}`, HasText: true},
		"pause":                        {Verb: Pause},
		"pause\n":                      {Verb: Pause},
		"pause \r\n\r\n":               {Verb: Pause},
		"resume":                       {Verb: Resume},
		"clear":                        {Verb: Clear},
		"break":                        {Verb: Clear},
		"Stop_Play":                    {Verb: Clear},
		"pause_play":                   {Verb: PausePlay},
		"resume_play":                  {Verb: ResumePlay},
		"graceful-shutdown":            {Verb: GracefulShutdown},
		"Graceful-Shutdown see you":    {Verb: GracefulShutdown, Text: "see you", HasText: true},
		"stats":                        {Verb: Stats},
		"name=a stats":                 {Stream: "a", Verb: Stats},
		"NAME=Agent_1.x-y  stop  a b":  {Stream: "Agent_1.x-y", Verb: Stop, Text: " a b", HasText: true},
		"name=default stop name=x":     {Verb: Stop, Text: "name=x", HasText: true},
		"name=" + strings.Repeat("n", 64) + " pause": {Stream: strings.Repeat("n", 64), Verb: Pause},
	} {
		if want.Stream == "" {
			want.Stream = DefaultStream
		}
		got, err := Parse(line)
		if err != nil || got != want {
			t.Errorf("Parse(%q)\n got %+v, %v\nwant %+v", line, got, err, want)
		}
	}
}

func TestWrongFormIsAnsweredWithTheSyntaxOfTheCommand(t *testing.T) {
	for line, want := range map[string]string{
		"":                Syntax,
		" ":               Syntax,
		"\n":              Syntax,
		"begin":           Syntax,
		"stop\x00":        Syntax,
		"name=x":          Syntax,
		"start":           Start.Syntax(),
		"start ws://h":    Start.Syntax(),
		"start  ws://h  ": Start.Syntax(),
		"send_text":       SendText.Syntax(),
		"send_text ":      SendText.Syntax(),
		`send_text ""`:    SendText.Syntax(),
		"pause now":       Pause.Syntax(),
		"resume x":        Resume.Syntax(),
		"break x":         Clear.Syntax(),
		"pause_play x":    PausePlay.Syntax(),
		"resume_play x":   ResumePlay.Syntax(),
		"stats json":      Stats.Syntax(),
	} {
		_, err := Parse(line)
		var u *UsageError
		if !errors.As(err, &u) || u.Syntax != want {
			t.Errorf("Parse(%q): %v, want usage %q", line, err, want)
		}
		if got := Reply(err); got != "-USAGE: "+want+"\n" {
			t.Errorf("reply to %q: %q", line, got)
		}
	}
}

func TestWrongValueIsAnsweredWithAReason(t *testing.T) {
	for line, want := range map[string]string{
		"start http://h mono":             `-ERR the URL must start with ws:// or wss://, not with "http://"` + "\n",
		"start http://me:secret@h mono":   `-ERR the URL must start with ws:// or wss://, not with "http://"` + "\n",
		"start host:8080 mono":            "-ERR the URL must start with ws:// or wss://\n",
		"start me:secret@http://h mono":   "-ERR the URL must start with ws:// or wss://\n",
		"start mono ws://h":               "-ERR the URL must start with ws:// or wss://\n",
		"start ws://h both":               `-ERR "both" is not a mix; use mono, mixed or stereo` + "\n",
		"start ws://h 16k mono":           `-ERR "16k" is not a mix; use mono, mixed or stereo` + "\n",
		"start ws://h m\x1bono":           `-ERR "m ono" is not a mix; use mono, mixed or stereo` + "\n",
		"name= stop":                      `-ERR "" is not a stream name; use 1 to 64 of the characters A-Z a-z 0-9 _ . -` + "\n",
		"name=a/b stop":                   `-ERR "a/b" is not a stream name; use 1 to 64 of the characters A-Z a-z 0-9 _ . -` + "\n",
		"name=\"a\" stop":                 `-ERR ""a"" is not a stream name; use 1 to 64 of the characters A-Z a-z 0-9 _ . -` + "\n",
		"send_text \xff":                  "-ERR the command is not valid UTF-8; send text and metadata as UTF-8\n",
		"name=" + strings.Repeat("é", 99): `-ERR "` + strings.Repeat("é", 64) + `..." is not a stream name; use 1 to 64 of the characters A-Z a-z 0-9 _ . -` + "\n",
		"send_text " + strings.Repeat("x", settings.MaxText+1): "-ERR the text has 65537 bytes; the longest allowed is 65536\n",
	} {
		_, err := Parse(line)
		if got := Reply(err); got != want {
			t.Errorf("reply to %.80q:\n got %q\nwant %q", line, got, want)
		}
		var e *Error
		if !errors.As(err, &e) {
			t.Errorf("Parse(%.80q): %T", line, err)
		}
	}
}

func TestLimitsAreInclusive(t *testing.T) {
	text := strings.Repeat("é", settings.MaxText/2)
	for _, line := range []string{"send_text " + text, `send_text "` + text + `"`, "stop " + text, "start ws://h mono 8k " + text} {
		if c, err := Parse(line); err != nil || c.Text != text {
			t.Errorf("%.20s: %v", line, err)
		}
	}
	url := "ws://" + strings.Repeat("h", settings.MaxURL-5)
	if c, err := Parse("start " + url + " mono"); err != nil || c.URL != url {
		t.Errorf("longest URL: %v", err)
	}
	_, err := Parse("start " + url + "h mono")
	if got := Reply(err); got != "-ERR the URL has 4097 bytes; the longest allowed is 4096\n" {
		t.Errorf("too long URL: %q", got)
	}
}

func TestModuleCommandsTakeAnOptionalJSON(t *testing.T) {
	for line, want := range map[string]string{
		"status": "status", "STATUS": "status", " list \n": "list", "version": "version", "reload": "reload",
		"status json": "status+json", "list JSON": "list+json", "version json\r\n": "version+json", "reload  json ": "reload+json",
		"": "", "json": "", "status xml": "", "status json json": "", "start": "", "status as json": "",
	} {
		cmd, json, err := ParseModule(line)
		got := cmd
		if json {
			got += "+json"
		}
		if got != want || (err != nil) != (want == "") {
			t.Errorf("ParseModule(%q): %q, %v", line, got, err)
		}
		if want == "" && Reply(err) != "-USAGE: "+ModuleSyntax+"\n" {
			t.Errorf("reply to %q: %q", line, Reply(err))
		}
	}
}

// FuzzParse: Parse never panics, a reply is always one line, and a text comes back as it was typed.
func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"", "stop", "stop  bye ", "name=a stats", "start ws://h mono", "start wss://u:p@h:1/x?y stereo 16k {\"a\": 1}",
		"start ws://h mixed -1", "start ws://h mono \"x\"\r\n", "send_text '\\'", "graceful-shutdown \xff", "name= x", "break",
		"send_text \"\"", "stop\t\"a\" 'b'\n\n",
	} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		c, err := Parse(line)
		if reply := Reply(err); !strings.HasSuffix(reply, "\n") || strings.ContainsAny(reply[:len(reply)-1], "\r\n\x00") {
			t.Fatalf("reply %q", reply)
		}
		if _, _, err := ParseModule(line); err != nil && Reply(err) != "-USAGE: "+ModuleSyntax+"\n" {
			t.Fatalf("module: %v", err)
		}
		if err == nil {
			if !c.HasText && c.Text != "" || len(c.Text) > settings.MaxText || !strings.Contains(line, c.Text) {
				t.Fatalf("%q: text %q", line, c.Text)
			}
			if !validName(c.Stream) || (c.Verb == Start && !settings.ValidRate(c.Rate)) {
				t.Fatalf("%q: %+v", line, c)
			}
		}
		// what a careful user types, quotes around it, comes back byte for byte
		if utf8.ValidString(line) && len(line) <= settings.MaxText && line != "" {
			for _, before := range []string{"send_text ", "stop ", "graceful-shutdown ", "start ws://h mono ", "start ws://h mono 16k "} {
				for _, q := range []string{`"`, `'`} {
					c, err := Parse(before + q + line + q + "\n")
					if err != nil || c.Text != line {
						t.Fatalf("%s: typed %q, got %q, %v", before, line, c.Text, err)
					}
				}
			}
		}
	})
}
