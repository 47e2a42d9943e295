package command

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestReplyIsOneLineThatAPersonCanRead(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{nil, "+OK Success\n"},
		{&Error{"no such stream"}, "-ERR no such stream\n"},
		{errors.New("two\r\nlines\x00and\u2028more"), "-ERR two  lines and more\n"},
		{errors.New(""), "-ERR failed without a reason; see the log\n"},
		{errors.New(" \n"), "-ERR failed without a reason; see the log\n"},
		{errors.New("\xff"), "-ERR \uFFFD\n"},
		{fmt.Errorf("start: %w", &UsageError{"x <y>"}), "-USAGE: x <y>\n"},
		{errors.New(strings.Repeat("é", 600)), "-ERR " + strings.Repeat("é", 512) + "...\n"},
		{errors.New(strings.Repeat("é", 512)), "-ERR " + strings.Repeat("é", 512) + "\n"},
	} {
		if got := Reply(c.err); got != c.want {
			t.Errorf("Reply(%q): %q, want %q", c.err, got, c.want)
		}
	}
}

func TestEveryCommandWordIsCompleted(t *testing.T) {
	all := strings.Join(Completions(), "\n") + "\n"
	for word := range verbs {
		if !strings.Contains(all, "add uuid_audio_stream ::console::list_uuid "+word) {
			t.Errorf("%s is not completed", word)
		}
	}
	for _, line := range Completions() {
		if rest, ok := strings.CutPrefix(line, "add audio_stream "); ok {
			if _, _, err := ParseModule(rest); err != nil {
				t.Errorf("%q completes to what is not understood: %v", line, err)
			}
			continue
		}
		word, _, _ := strings.Cut(strings.TrimPrefix(line, "add uuid_audio_stream ::console::list_uuid "), " ")
		if _, ok := verbs[word]; !ok {
			t.Errorf("%q completes to what is not a command", line)
		}
	}
}

func TestSyntaxNamesEveryCommand(t *testing.T) {
	seen := map[Verb]bool{}
	for word, v := range verbs {
		seen[v] = true
		if v.String() == word && !strings.Contains(Syntax, strings.TrimPrefix(v.Syntax(), "<uuid> [name=<stream>] ")) {
			t.Errorf("%s: %q is not in %q", word, v.Syntax(), Syntax)
		}
		if verbs[v.String()] != v {
			t.Errorf("%s is verb %d, whose name %s is another", word, v, v)
		}
	}
	if len(seen) != int(Stats)+1 {
		t.Errorf("%d verbs have a word, want %d", len(seen), Stats+1)
	}
}
