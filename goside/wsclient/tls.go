package wsclient

// TLS: configuration from files, the handshake, and texts for everything that can be wrong with a certificate. There is
// no way from here to clear text.

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"mod_audio_stream/goside/events"
)

const maxCAFile = 16 << 20 // bytes; the system's bundle has about 200 KiB

// tlsConfig reads the files. Its errors are events.TLSInitFailed.
func (d *dialing) tlsConfig() (*tls.Config, error) {
	conf := &tls.Config{
		ServerName: d.host,
		MinVersion: d.cfg.MinTLS,
		NextProtos: []string{"http/1.1"}, // else a server that prefers HTTP/2 may choose it
	}
	switch strings.ToUpper(d.cfg.CAFile) {
	case "", "SYSTEM":
	case "NONE":
		// STREAM_TLS_CA_FILE=NONE: no verification, as documented
		conf.InsecureSkipVerify = true
	default:
		roots, err := readCAFile(d.cfg.CAFile)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = roots
	}
	if d.cfg.SkipHostname && !conf.InsecureSkipVerify {
		// crypto/tls checks chain and name together or not at all: turn both off and check the chain ourselves
		roots := conf.RootCAs
		conf.InsecureSkipVerify = true
		conf.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, roots) }
	}
	switch {
	case d.cfg.CertFile != "":
		key := d.cfg.KeyFile
		if key == "" {
			key = d.cfg.CertFile
		}
		pair, err := tls.LoadX509KeyPair(d.cfg.CertFile, key)
		if err != nil {
			return nil, fmt.Errorf("client certificate %s with key %s cannot be used: %w (check STREAM_TLS_CERT_FILE and "+
				"STREAM_TLS_KEY_FILE: PEM, readable, without password)", d.cfg.CertFile, key, err)
		}
		conf.Certificates = []tls.Certificate{pair}
	case d.cfg.KeyFile != "":
		return nil, errors.New("STREAM_TLS_KEY_FILE is set without STREAM_TLS_CERT_FILE (set both or neither)")
	}
	return conf, nil
}

func readCAFile(path string) (*x509.CertPool, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("CA file cannot be read: %w (check STREAM_TLS_CA_FILE: a PEM file, SYSTEM or NONE)", err)
	}
	defer file.Close()
	pem, err := io.ReadAll(io.LimitReader(file, maxCAFile+1))
	if err != nil {
		return nil, fmt.Errorf("CA file cannot be read: %w (check STREAM_TLS_CA_FILE: a PEM file, SYSTEM or NONE)", err)
	}
	if len(pem) > maxCAFile {
		return nil, fmt.Errorf("CA file %s is larger than %d bytes (check STREAM_TLS_CA_FILE)", path, maxCAFile)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate (STREAM_TLS_CA_FILE must be a PEM file, SYSTEM or NONE)", path)
	}
	return roots, nil
}

// verifyChain is crypto/tls's own check without the name; roots nil: the system's.
func verifyChain(state tls.ConnectionState, roots *x509.CertPool) error {
	options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(options)
	if err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

func (d *dialing) connectTLS(base net.Conn, conf *tls.Config) (net.Conn, *Error) {
	nc := tls.Client(base, conf)
	if err := nc.HandshakeContext(d.ctx); err != nil {
		if e := d.ended("the TLS handshake was not finished", "check that the server speaks TLS on this port", err); e != nil {
			return nil, e
		}
		return nil, d.failed(events.SSLHandshakeFailed, err, "%s", d.tlsReason(err))
	}
	return nc, nil
}

// tlsReason says what is wrong and what to do.
func (d *dialing) tlsReason(err error) string {
	var (
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
		unknown x509.UnknownAuthorityError
		record  tls.RecordHeaderError
		op      *net.OpError
	)
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("certificate is not valid for host %q%s (check the URL, or set STREAM_TLS_CA_FILE=... to the CA of the "+
			"right server, or STREAM_TLS_DISABLE_HOSTNAME_VALIDATION=true to accept any name)", clip(d.host), validFor(name.Certificate))
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Sprintf("certificate %s (renew the server's certificate, or check this machine's clock)", validity(invalid.Cert))
	case errors.As(err, &invalid):
		return fmt.Sprintf("certificate is not acceptable: %s (the server needs another certificate)", printable(invalid.Error()))
	case errors.As(err, &unknown):
		return d.unknownAuthority(unknown)
	case errors.As(err, &record):
		return "the server does not speak TLS on this port (use ws:// if it is meant to be clear text, or check the port)"
	case isAlert(err):
		return d.alertReason(err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "the server closed the connection during the TLS handshake (check that it speaks TLS on this port)"
	case errors.As(err, &op):
		return "the connection was lost during the TLS handshake: " + cause(err) + seeServer
	case strings.Contains(err.Error(), "protocol version"):
		return d.versionReason()
	}
	return "the TLS handshake failed: " + printable(err.Error()) + seeServer
}

// isAlert reports an error that the server sent as a TLS alert (RFC 8446 section 6). crypto/tls marks it only so.
func isAlert(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "remote error"
}

func (d *dialing) alertReason(err error) string {
	switch text := cause(err); {
	case strings.Contains(text, "protocol version"):
		return d.versionReason()
	case strings.Contains(text, "certificate"):
		if d.cfg.CertFile == "" {
			return fmt.Sprintf("the server wants a client certificate: %s (set STREAM_TLS_CERT_FILE and STREAM_TLS_KEY_FILE)", text)
		}
		return fmt.Sprintf("the server refused the client certificate: %s (check STREAM_TLS_CERT_FILE)", text)
	case d.cfg.CertFile == "": // up to TLS 1.2 a missing certificate is a handshake failure like any other
		return fmt.Sprintf("the server refused the TLS handshake: %s (check its TLS settings; if it wants a client certificate, "+
			"set STREAM_TLS_CERT_FILE and STREAM_TLS_KEY_FILE)", text)
	default:
		return fmt.Sprintf("the server refused the TLS handshake: %s (check its TLS settings and STREAM_TLS_CERT_FILE)", text)
	}
}

func (d *dialing) versionReason() string {
	return fmt.Sprintf("the server speaks no TLS version from %s on (update the server, or lower the smallest TLS version in "+
		"audio_stream.conf.xml)", tls.VersionName(d.cfg.MinTLS))
}

func (d *dialing) unknownAuthority(e x509.UnknownAuthorityError) string {
	what := "certificate is signed by an unknown authority"
	if e.Cert != nil && e.Cert.Issuer.String() == e.Cert.Subject.String() {
		what = "certificate is self-signed or signed by an unknown authority"
	}
	return what + " (set STREAM_TLS_CA_FILE=... to a PEM file with the CA certificate, or NONE to accept any certificate)"
}

func validity(cert *x509.Certificate) string {
	if cert == nil {
		return "has expired or is not yet valid"
	}
	if now := time.Now(); now.Before(cert.NotBefore) {
		return "is not valid before " + cert.NotBefore.UTC().Format(time.RFC3339)
	}
	return "has expired on " + cert.NotAfter.UTC().Format(time.RFC3339)
}

// validFor lists some of the names that a certificate holds; they come from the server.
func validFor(cert *x509.Certificate) string {
	if cert == nil {
		return ""
	}
	names := append([]string(nil), cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return ", it names no host at all"
	}
	more := ""
	if len(names) > 4 {
		names, more = names[:4], ", …"
	}
	for i, name := range names {
		names[i] = printable(clip(name))
	}
	return ", only for " + strings.Join(names, ", ") + more
}
