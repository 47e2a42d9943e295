package settings

import (
	"encoding/xml"
	"os"
	"reflect"
	"regexp"
	"testing"
)

const confFile = "../../conf/autoload_configs/audio_stream.conf.xml"

// confParams reads every param of the shipped file, commented out or not.
func confParams(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile(confFile)
	if err != nil {
		t.Fatal(err)
	}
	params := map[string]string{}
	add := func(name, value string) {
		if old, twice := params[name]; twice {
			t.Errorf("%s is there twice: %q and %q", name, old, value)
		}
		params[name] = value
	}
	var conf struct {
		XMLName xml.Name `xml:"configuration"`
		Name    string   `xml:"name,attr"`
		Params  []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"settings>param"`
	}
	if err := xml.Unmarshal(text, &conf); err != nil {
		t.Fatal(err)
	}
	if conf.Name != "audio_stream.conf" {
		t.Errorf("the configuration is called %s", conf.Name)
	}
	for _, p := range conf.Params {
		add(p.Name, p.Value)
	}
	for _, comment := range regexp.MustCompile(`(?s)<!--.*?-->`).FindAll(text, -1) {
		for _, p := range regexp.MustCompile(`<param name="([^"]*)" value="([^"]*)"/>`).FindAllSubmatch(comment, -1) {
			add(string(p[1]), string(p[2]))
		}
	}
	return params
}

func TestShippedFileDocumentsEveryParameterWithItsDefault(t *testing.T) {
	params := confParams(t)
	known := map[string]string{}
	for _, p := range moduleParams {
		known[p.name] = p.builtin
	}
	for _, p := range streamParams {
		known[p.name] = p.builtin
	}
	for name, builtin := range known {
		if value, ok := params[name]; !ok {
			t.Errorf("%s is not in %s", name, confFile)
		} else if value != builtin {
			t.Errorf("%s is %q in %s, and %q in the code", name, value, confFile, builtin)
		}
	}
	for name := range params {
		if _, ok := known[name]; !ok {
			t.Errorf("%s is in %s, and not known", name, confFile)
		}
	}
}

func TestShippedFileChangesNothing(t *testing.T) {
	m, warnings := ParseModule(confParams(t))
	if warnings != nil {
		t.Errorf("%q", warnings)
	}
	s, warnings, err := m.Stream(nil)
	if err != nil || warnings != nil || !reflect.DeepEqual(s, builtin) {
		t.Errorf("%+v, %v, %v", s, warnings, err)
	}
	m.defaults = Default().defaults
	if !reflect.DeepEqual(m, Default()) {
		t.Errorf("%+v", m)
	}
}
