package command

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"slices"
	"strings"
	"testing"

	"mod_audio_stream/goside/settings"
)

func TestDialplanExampleIsUnderstood(t *testing.T) {
	text, err := os.ReadFile("../../conf/dialplan/audio_stream_example.xml")
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Condition struct {
			Expression string `xml:"expression,attr"`
			Actions    []struct {
				Application string `xml:"application,attr"`
				Data        string `xml:"data,attr"`
			} `xml:"action"`
		} `xml:"extension>condition"`
	}
	if err := xml.Unmarshal(text, &plan); err != nil {
		t.Fatal(err)
	}
	if plan.Condition.Expression != "^9999$" {
		t.Errorf("the example is extension %s", plan.Condition.Expression)
	}
	var applications []string
	vars := map[string]string{}
	for _, a := range plan.Condition.Actions {
		applications = append(applications, a.Application)
		switch a.Application {
		case "set":
			name, value, _ := strings.Cut(a.Data, "=")
			if !slices.Contains(settings.Variables(), name) {
				t.Errorf("%s is not read by anybody", name)
			}
			vars[name] = value
		case "audio_stream":
			c, err := Parse(a.Data)
			if err != nil || c.Verb != Start || c.URL != "ws://127.0.0.1:8080/" || c.Mix != settings.Mono || c.Rate != 16000 ||
				!json.Valid([]byte(c.Text)) {
				t.Errorf("%q: %+v, %v", a.Data, c, err)
			}
		}
	}
	if want := []string{"answer", "audio_stream", "park"}; !slices.Equal(slices.DeleteFunc(applications, func(a string) bool {
		return a == "set" || a == "log"
	}), want) {
		t.Errorf("applications %v", applications)
	}
	if _, warnings, err := settings.Default().Stream(vars); err != nil || warnings != nil || len(vars) == 0 {
		t.Errorf("%v: %v, %v", vars, warnings, err)
	}
}
