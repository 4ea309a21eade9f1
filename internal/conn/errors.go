package conn

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// States of a connection and of a request, for errors.Is.
var (
	// ErrClosed is the end of a connection by Close.
	ErrClosed = errors.New("the connection was closed by this side")
	// ErrNotWritten says that not one byte of the request was given to the connection.
	ErrNotWritten = errors.New("the request was not written")
	// ErrBusy is Reauthenticate's refusal while answers are outstanding.
	ErrBusy = errors.New("requests are still unanswered")
)

// Problems a broker's address can have. Each is the Problem of a PeerError, so errors.Is finds it.
var (
	// ErrUnknownHost: the name does not resolve.
	ErrUnknownHost = errors.New("the host name is not known here: check the name, the DNS, and the brokers' advertised.listeners")
	// ErrRefused: nothing listens on the port.
	ErrRefused = errors.New("nothing listens on this port: check the port, and that the broker runs")
	// ErrUnreachable: any other failure to connect, timeouts among them.
	ErrUnreachable = errors.New("it cannot be reached: check the route, and firewalls in between")
	// ErrAddress: not a host:port.
	ErrAddress = errors.New(`the address is not "host:port" (IPv6 as in "[::1]:9092")`)
	// ErrHTTP: the first answer began with "HTTP".
	ErrHTTP = errors.New("the port answers HTTP, not Kafka: is this a REST proxy or a web server?")
	// ErrNeedsTLS: a plaintext client was answered by a TLS alert.
	ErrNeedsTLS = errors.New("the port speaks TLS: enable TLS")
	// ErrNotTLS: the TLS handshake was cut off, or answered by something that is no TLS.
	ErrNotTLS = errors.New("the port does not speak TLS: disable TLS, or use the broker's TLS port (if it does, the broker may want a client certificate)")
	// ErrTLS: the TLS handshake failed for another reason.
	ErrTLS = errors.New("the TLS handshake failed")
	// ErrCertificateName: the broker's certificate is for other names.
	ErrCertificateName = errors.New("its certificate is for another name: use a name the certificate holds, or set the TLS server name")
	// ErrCertificateAuthority: the certificate's issuer is not trusted.
	ErrCertificateAuthority = errors.New("its certificate is signed by an unknown authority: add the authority's certificate to the trusted ones")
	// ErrCertificateInvalid: the certificate is expired, not yet valid or not for servers.
	ErrCertificateInvalid = errors.New("its certificate is not valid: check its dates, and this machine's clock")
	// ErrClientCertificate: the broker wants a client certificate, or another one.
	ErrClientCertificate = errors.New("it does not accept this client without a certificate it trusts: set a client certificate and key (mutual TLS)")
	// ErrNoApiVersions: the connection ended before the first answer.
	ErrNoApiVersions = errors.New("it closed the connection on the first request: it may expect TLS, or be older than Kafka 0.10 (then name its release with the option BrokerVersion, or api.version.request=false and broker.version.fallback), or be no broker")
	// ErrSASLRequired: without SASL the first request after ApiVersions ended the connection.
	ErrSASLRequired = errors.New("it closed the connection on the first request after ApiVersions: it probably requires SASL, and none is configured")
	// ErrSASLNotEnabled: the listener knows no SASL.
	ErrSASLNotEnabled = errors.New("this listener does not use SASL: do not configure SASL for it, or use the broker's SASL port")
	// ErrSASLClosed: the connection ended during authentication.
	ErrSASLClosed = errors.New("it closed the connection during SASL authentication: the credentials are probably wrong")
	// ErrProtocol: the peer sent what the protocol forbids.
	ErrProtocol = errors.New("it breaks the Kafka protocol")
	// ErrLost: a working connection failed.
	ErrLost = errors.New("the connection was lost")
)

// PeerError is a failure of one broker's connection: which broker, what the problem most likely is and how to solve it
// (one of the sentinels above, ErrUnknownHost to ErrLost), and the cause as the system reported it, if it did.
type PeerError struct {
	Addr    string
	Problem error
	Cause   error
}

func (e *PeerError) Error() string {
	text := "cannot use broker " + e.Addr + ": " + e.Problem.Error()
	// A cause that was wrapped together with its problem already says it.
	if e.Cause == nil {
		return text
	}
	if errors.Is(e.Cause, e.Problem) {
		return "cannot use broker " + e.Addr + ": " + e.Cause.Error()
	}
	return text + " (" + e.Cause.Error() + ")"
}

// Unwrap gives the problem and the cause.
func (e *PeerError) Unwrap() []error {
	if e.Cause == nil {
		return []error{e.Problem}
	}
	return []error{e.Problem, e.Cause}
}

// TimeoutError is the end of a connection whose oldest request was not answered, or not even wholly written, in time.
// The broker may or may not have carried it out.
type TimeoutError struct {
	Addr  string
	API   string        // as Kafka names it: Produce, Metadata ...
	After time.Duration // Config.RequestTimeout, or DialTimeout

	advice string // "": none
}

// Advice for who was never answered at all.
const (
	silentPort = "it accepts connections but says nothing; check that this is the port of a Kafka broker, and whether it expects TLS"
	silentTLS  = "it accepts connections but says nothing; check that this is the TLS port of a Kafka broker"
)

func (e *TimeoutError) Error() string {
	text := fmt.Sprintf("broker %s has not answered %s within %v", e.Addr, e.API, e.After)
	if e.advice != "" {
		text += ": " + e.advice
	}
	return text
}

// Timeout is true, as for net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// AuthError is the broker's refusal of our credentials. It holds no secret.
type AuthError struct {
	Addr      string
	Mechanism string
	Code      int16  // Kafka's error code, 58 (SASL_AUTHENTICATION_FAILED) as a rule
	Message   string // the broker's own words, cut to a sane length; may be empty
}

func (e *AuthError) Error() string {
	text := fmt.Sprintf("broker %s refuses the SASL %s credentials: %s", e.Addr, e.Mechanism, codeName(e.Code))
	if e.Message != "" {
		text += " (" + e.Message + ")"
	}
	return text
}

// Unwrap gives the error of package kerr for the code.
func (e *AuthError) Unwrap() error { return kerr.ErrorForCode(e.Code) }

// MechanismError says that the broker does not offer our SASL mechanism.
type MechanismError struct {
	Addr      string
	Mechanism string
	Offered   []string // at most 16 of them
}

func (e *MechanismError) Error() string {
	offered := "none"
	if len(e.Offered) > 0 {
		offered = strings.Join(e.Offered, ", ")
	}
	return fmt.Sprintf("broker %s does not offer SASL mechanism %s; it offers: %s", e.Addr, e.Mechanism, offered)
}

// UnsupportedError says that broker and client share no version of an api.
type UnsupportedError struct {
	Addr           string
	API            string
	OurMin, OurMax int16
	Offered        bool // the broker knows the api, in versions Min to Max
	Min, Max       int16
}

func (e *UnsupportedError) Error() string {
	if !e.Offered {
		return fmt.Sprintf("broker %s does not offer %s: it is too old, or too new, or a proxy in between hides it", e.Addr, e.API)
	}
	return fmt.Sprintf("broker %s offers %s in versions %d to %d, this client speaks %d to %d", e.Addr, e.API, e.Min, e.Max, e.OurMin, e.OurMax)
}

func (c *Conn) unsupported(apiKey, ourMin, ourMax int16) error {
	r := c.versions.lookup(apiKey)
	return &UnsupportedError{
		Addr: c.addr, API: apiName(apiKey), OurMin: ourMin, OurMax: ourMax,
		Offered: r.offered, Min: r.min, Max: r.max,
	}
}

// broken makes the PeerError of a broken protocol.
func (c *Conn) broken(format string, args ...any) error {
	return &PeerError{Addr: c.addr, Problem: ErrProtocol, Cause: fmt.Errorf(format, args...)}
}

func apiName(key int16) string {
	if name := kmsg.NameForKey(key); name != "Unknown" {
		return name
	}
	return "api " + strconv.Itoa(int(key))
}

func codeName(code int16) string {
	if e := kerr.TypedErrorForCode(code); e != nil && e.Code == code { // a code it does not know gets another's name
		return e.Message
	}
	return "error code " + strconv.Itoa(int(code))
}

// printable makes text from the network fit for a log line: no control characters, at most 300 bytes.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if !strconv.IsPrint(r) {
			return ' '
		}
		return r
	}, s[:min(len(s), 300)])
	return strings.TrimSpace(s)
}

// offered takes the broker's list of mechanisms for a MechanismError.
func offered(names []string) []string {
	short := slices.Clone(names[:min(len(names), 16)])
	for i, name := range short {
		short[i] = printable(name)
	}
	return short
}
