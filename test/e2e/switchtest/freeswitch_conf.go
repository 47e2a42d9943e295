// The configuration of the real FreeSWITCH: one XML document, as small as the tests allow.

package switchtest

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"os"
	"sort"
	"strings"
	"text/template"
)

// freeswitchConf is what the template needs.
type freeswitchConf struct {
	EventPort int
	Password  string
	SIPPort   int
	RTPStart  int
	RTPEnd    int
	LogDir    string
	Modules   []string
	Settings  []setting // audio_stream.conf
}

// Codecs is the preference list: every rate and ptime has to be named, or FreeSWITCH answers with 8 kHz and 20 ms.
func (freeswitchConf) Codecs() string {
	var all []string
	for _, ptime := range []int{20, 10, 30, 40} {
		for _, rate := range []int{8000, 16000, 32000, 48000} {
			all = append(all, fmt.Sprintf("L16@%dh@%di", rate, ptime))
		}
		all = append(all, fmt.Sprintf("PCMU@8000h@%di", ptime), fmt.Sprintf("PCMA@8000h@%di", ptime))
	}
	return strings.Join(all, ",")
}

type setting struct{ Name, Value string }

// freeswitchTemplate: the Call-ID is the channel's uuid, so that the caller knows it. suppress-cng: no comfort noise, silence has to be seen as
// no packets at all.
const freeswitchTemplate = `<?xml version="1.0"?>
<document type="freeswitch/xml">
  <section name="configuration">
    <configuration name="switch.conf">
      <settings>
        <param name="max-sessions" value="2000"/>
        <param name="sessions-per-second" value="1000"/>
        <param name="loglevel" value="debug"/>
        <param name="rtp-start-port" value="{{.RTPStart}}"/>
        <param name="rtp-end-port" value="{{.RTPEnd}}"/>
        <param name="rtp-port-usage-robustness" value="true"/>
        <param name="dump-cores" value="no"/>
      </settings>
    </configuration>
    <configuration name="modules.conf">
      <modules>{{range .Modules}}
        <load module="{{.}}"/>{{end}}
      </modules>
    </configuration>
    <configuration name="logfile.conf">
      <settings><param name="rotate-on-hup" value="false"/></settings>
      <profiles>
        <profile name="default">
          <settings>
            <param name="logfile" value="{{xml .LogDir}}/freeswitch.log"/>
            <param name="rollover" value="0"/>
            <param name="uuid" value="true"/>
          </settings>
          <mappings><map name="all" value="console,debug,info,notice,warning,err,crit,alert"/></mappings>
        </profile>
      </profiles>
    </configuration>
    <configuration name="event_socket.conf">
      <settings>
        <param name="nat-map" value="false"/>
        <param name="listen-ip" value="127.0.0.1"/>
        <param name="listen-port" value="{{.EventPort}}"/>
        <param name="password" value="{{.Password}}"/>
      </settings>
    </configuration>
    <configuration name="acl.conf"><network-lists/></configuration>
    <configuration name="loopback.conf"><settings/></configuration>
    <configuration name="sofia.conf">
      <global_settings><param name="log-level" value="0"/></global_settings>
      <profiles>
        <profile name="e2e">
          <settings>
            <param name="sip-ip" value="127.0.0.1"/>
            <param name="rtp-ip" value="127.0.0.1"/>
            <param name="sip-port" value="{{.SIPPort}}"/>
            <param name="context" value="default"/>
            <param name="dialplan" value="XML"/>
            <param name="auth-calls" value="false"/>
            <param name="accept-blind-reg" value="false"/>
            <param name="inbound-codec-negotiation" value="generous"/>
            <param name="inbound-codec-prefs" value="{{.Codecs}}"/>
            <param name="outbound-codec-prefs" value="{{.Codecs}}"/>
            <param name="inbound-use-callid-as-uuid" value="true"/>
            <param name="rtp-timer-name" value="soft"/>
            <param name="suppress-cng" value="true"/>
            <param name="rfc2833-pt" value="101"/>
            <param name="dtmf-duration" value="2000"/>
            <param name="manage-presence" value="false"/>
            <param name="enable-timer" value="false"/>
            <param name="rtp-timeout-sec" value="0"/>
          </settings>
        </profile>
      </profiles>
    </configuration>
    <configuration name="local_stream.conf"/>
    <!-- a voice that speaks the file it is given as its text -->
    <configuration name="tts_commandline.conf">
      <settings><param name="command" value="cp ${text} ${file}"/></settings>
    </configuration>
    <configuration name="conference.conf">
      <profiles><profile name="default">
        <param name="rate" value="8000"/>
        <param name="interval" value="20"/>
        <param name="energy-level" value="0"/>
        <param name="comfort-noise" value="false"/>
      </profile></profiles>
    </configuration>
    <configuration name="audio_stream.conf">
      <settings>{{range .Settings}}
        <param name="{{xml .Name}}" value="{{xml .Value}}"/>{{end}}
      </settings>
    </configuration>
  </section>
  <section name="dialplan">
    <context name="default">
      <extension name="answered"><condition field="destination_number" expression="^answered$">
        <action application="answer"/>
        <action application="park"/>
      </condition></extension>
      <extension name="early"><condition field="destination_number" expression="^early$">
        <action application="pre_answer"/>
        <action application="park"/>
      </condition></extension>
      <extension name="ringing"><condition field="destination_number" expression="^ringing$">
        <action application="ring_ready"/>
        <action application="park"/>
      </condition></extension>
      <extension name="stream"><condition field="destination_number" expression="^stream$">
        <action application="answer"/>
        <action application="audio_stream" data="${url_decode(${sip_h_X-Stream})}"/>
        <action application="park"/>
      </condition></extension>
      <extension name="playback"><condition field="destination_number" expression="^playback$">
        <action application="answer"/>
        <action application="playback" data="${url_decode(${sip_h_X-Playback})}"/>
        <action application="park"/>
      </condition></extension>
      <extension name="bridge"><condition field="destination_number" expression="^bridge$">
        <action application="answer"/>
        <action application="set" data="hangup_after_bridge=false"/>
        <action application="set" data="park_after_bridge=true"/>
        <action application="bridge" data="{origination_uuid=${sip_h_X-Other-UUID}}sofia/e2e/sip:${sip_h_X-Bridge-To}"/>
        <action application="park"/>
      </condition></extension>
      <extension name="loopback"><condition field="destination_number" expression="^loopback$">
        <action application="answer"/>
        <action application="echo"/>
      </condition></extension>
      <extension name="tone"><condition field="destination_number" expression="^tone$">
        <action application="playback" data="tone_stream://%(60000,0,400)"/>
      </condition></extension>
      <extension name="transferred"><condition field="destination_number" expression="^transferred$">
        <action application="set" data="e2e_transferred=true"/>
        <action application="park"/>
      </condition></extension>
    </context>
  </section>
  <section name="directory"/>
</document>
`

var freeswitchXML = template.Must(template.New("freeswitch.xml").Funcs(template.FuncMap{"xml": escapeXML}).Parse(freeswitchTemplate))

func escapeXML(s string) (string, error) {
	var b bytes.Buffer
	err := xml.EscapeText(&b, []byte(s))
	return b.String(), err
}

// write puts the document to path, whole or not at all.
func (c freeswitchConf) write(path string) error {
	var b bytes.Buffer
	if err := freeswitchXML.Execute(&b, c); err != nil {
		return fmt.Errorf("FreeSWITCH configuration: %w", err)
	}
	if err := os.WriteFile(path+".new", b.Bytes(), 0o600); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// sortedSettings gives a stable order.
func sortedSettings(m map[string]string) []setting {
	out := make([]setting, 0, len(m))
	for k, v := range m {
		out = append(out, setting{strings.TrimSpace(k), v})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Name < out[j].Name })
	return out
}
