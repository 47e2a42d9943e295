// The list of hosts that streams may connect to.

package settings

import (
	"fmt"
	"net/netip"
	"strings"
)

// parseHosts reads a comma list of host names, IP addresses and "*.example.com". An entry that cannot be read stays in
// the list, where it matches nothing: a slip of the pen must not open the list to every host.
func parseHosts(v string) ([]string, error) {
	var hosts, bad []string
	for entry := range strings.SplitSeq(v, ",") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		host := foldHost(entry)
		hosts = append(hosts, host)
		if !readableHost(host) {
			bad = append(bad, show(entry))
		}
	}
	if len(hosts) == 0 {
		hosts = []string{v} // commas only: somebody wanted a list
		bad = []string{show(v)}
	}
	if bad != nil {
		return hosts, fmt.Errorf("has %s, which matches no host; write names, addresses or *.example.com, "+
			"without scheme and port; %w", clip(strings.Join(bad, " and ")), errPartly)
	}
	return hosts, nil
}

// HostAllowed reports whether a stream may connect to host, the name or address of its URL without port (an IPv6 address
// with or without its brackets). Letter case and a final dot do not matter. "*.example.com" stands for every
// subdomain, not for example.com itself, and never for an address.
func (m Module) HostAllowed(host string) bool {
	if len(m.AllowedHosts) == 0 {
		return true
	}
	host = foldHost(host)
	_, err := netip.ParseAddr(host)
	isAddr := err == nil
	for _, allowed := range m.AllowedHosts {
		if host == allowed {
			return true
		}
		if suffix, wild := strings.CutPrefix(allowed, "*."); wild && !isAddr && suffix != "" && readableHost(allowed) &&
			len(host) > len(suffix)+1 && strings.HasSuffix(host, "."+suffix) {
			return true
		}
	}
	return false
}

// foldHost is the one spelling of a host that is compared.
func foldHost(host string) string {
	host = strings.ToLower(host)
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.Unmap().String()
	}
	return strings.TrimSuffix(host, ".")
}

func readableHost(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	host = strings.TrimPrefix(host, "*.")
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c < 0x80 {
				return false
			}
		}
	}
	return len(host) <= 253
}
