package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ekaf-go/ekaf"
	"github.com/ekaf-go/ekaf/gateway"
	"github.com/ekaf-go/ekaf/gateway/access"
	"github.com/ekaf-go/ekaf/gateway/dashboard"
	"github.com/ekaf-go/ekaf/internal/gatefile"
	"github.com/ekaf-go/ekaf/internal/listen"
	"github.com/ekaf-go/ekaf/internal/properties"
)

// guardFlags are those that keep people out. What may change while the program
// runs is in reloadable.
func (s *serve) guardFlags(flags *pflag.FlagSet) {
	flags.StringVar(&s.tls.Certificate, "tls-certificate", "", "serve HTTPS with the certificate and chain of this PEM `FILE`, read again when it changes")
	flags.StringVar(&s.tls.Key, "tls-key", "", "the certificate's key, a PEM `FILE`")
	flags.StringVar(&s.tls.Authorities, "tls-client-authorities", "", "take client certificates that an authority of this PEM `FILE` has signed")
	flags.BoolVar(&s.tls.Required, "tls-client-required", false, "let in nobody without a client certificate")
	flags.StringVar(&s.principal, "client-principal", "", "the principal is this `NAME` of a client certificate: cn, dn, dns, uri or email")
	flags.StringVar(&s.access.Tokens, "tokens", "", "take Bearer tokens of this `FILE`, PRINCIPAL:TOKEN or PRINCIPAL:sha256:HEX a line")
	flags.StringVar(&s.access.Users, "users", "", "take users and passwords (Basic) of this `FILE`, which htpasswd -B writes")
	flags.StringVar(&s.access.JWT.Keys, "jwt-keys", "", "take JWT signed by a key of this set, a `URL` or a file (JWKS)")
	flags.StringVar(&s.access.JWT.Issuer, "jwt-issuer", "", "the `ISSUER` (claim iss) of JWT")
	flags.StringVar(&s.access.JWT.Audience, "jwt-audience", "", "the `AUDIENCE` (claim aud) that JWT must be made for")
	flags.StringVar(&s.access.JWT.Principal, "jwt-principal", "", "the `CLAIM` of JWT that names the principal (default sub)")
	flags.StringVar(&s.debugListen, "debug-listen", "", "serve Go's figures (/debug/metrics) and profiles (/debug/pprof/) on this `HOST:PORT` of the loopback")
	flags.IntVar(&s.limits.connections, "max-connections", 20_000, "`N` connections at once; more wait (0: no limit)")
	flags.IntVar(&s.limits.header, "max-header", 64<<10, "largest header of a request, in `BYTES`")
	flags.DurationVar(&s.limits.headerTime, "header-timeout", 10*time.Second, "a client has this `TIME` to send a header")
	flags.DurationVar(&s.limits.bodyTime, "body-timeout", time.Minute, "a client has this `TIME` to send a request")
	flags.DurationVar(&s.limits.idleTime, "idle-timeout", 2*time.Minute, "an idle connection is closed after this `TIME`")
	flags.DurationVar(&s.limits.writeTime, "write-timeout", 30*time.Second, "a client that reads nothing of its answer for this `TIME` is cut off")
}

// reloadable are the flags that SIGHUP takes from the file again.
var reloadable = []string{
	"tls-certificate", "tls-key", "tls-client-authorities", "tls-client-required", "client-principal",
	"tokens", "users", "jwt-keys", "jwt-issuer", "jwt-audience", "jwt-principal",
}

// given are the flags that the command line or the environment has set: they
// win over the file, also over one that is read again.
type given map[string][]string

func givenIn(flags *pflag.FlagSet) given {
	g := given{}
	flags.Visit(func(f *pflag.Flag) { g[f.Name] = valuesOf(f) })
	return g
}

func valuesOf(f *pflag.Flag) []string {
	if many, ok := f.Value.(pflag.SliceValue); ok {
		return many.GetSlice()
	}
	return []string{f.Value.String()}
}

// setFlag gives a flag its values; one that takes a single value takes a list
// with commas.
func setFlag(flags *pflag.FlagSet, name string, values []string) error {
	f := flags.Lookup(name)
	if many, ok := f.Value.(pflag.SliceValue); ok {
		f.Changed = true
		return many.Replace(slices.Clone(values))
	}
	if len(values) == 0 {
		return nil
	}
	before := f.Value.String()
	if flags.Set(name, strings.Join(values, ",")) != nil {
		_ = f.Value.Set(before)                                                          // which it takes; Set has left a zero there, which would be a fault of its own
		return fmt.Errorf("%s needs a value of another kind (%s)", name, f.Value.Type()) // pflag's error quotes the value
	}
	return nil
}

// readFile puts the YAML file, if --config names one, below what was given. The
// File is not nil.
func (s *serve) readFile(flags *pflag.FlagSet, g given) (*gatefile.File, error) {
	var paths []string
	s.connection.config = slices.DeleteFunc(slices.Clone(s.connection.config), func(path string) bool {
		isYAML := slices.Contains([]string{".yaml", ".yml"}, filepath.Ext(path))
		if isYAML {
			paths = append(paths, path)
		}
		return isYAML
	})
	if len(paths) == 0 {
		return &gatefile.File{}, nil
	}
	if len(paths) > 1 {
		return &gatefile.File{}, errors.New("--config names more than one YAML file: there can be one")
	}
	var names []string
	flags.VisitAll(func(f *pflag.Flag) {
		if hasVariable(f) && f.Name != "config" && f.Name != "property" {
			names = append(names, f.Name)
		}
	})
	file, err := gatefile.Read(paths[0], names)
	if file == nil {
		return &gatefile.File{}, err
	}
	faults := []error{err}
	file.Flags = slices.DeleteFunc(file.Flags, func(setting gatefile.Setting) bool {
		_, wins := g[setting.Name]
		return wins
	})
	for _, setting := range file.Flags {
		if err := setFlag(flags, setting.Name, setting.Values); err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", file.Name, setting.Line, err))
		}
	}
	return file, errors.Join(faults...)
}

// keepOut is what the flags and the file say of access.
func (s *serve) keepOut(file *gatefile.File) access.Config {
	c := s.access
	c.Certificates, c.Rules = access.CertificateName(s.principal), file.Rules
	return c
}

// isGuarded: somebody is to be kept out.
func isGuarded(c access.Config) bool {
	return c.Tokens != "" || c.Users != "" || c.JWT != access.JWT{} || c.Certificates != "" || c.Rules != nil
}

// plan is what a configuration without faults comes to.
type plan struct {
	file     *gatefile.File
	config   *properties.Config
	producer *ekaf.Producer
	handler  *gateway.Handler
	keeper   *access.Keeper   // nil: all are let in
	secure   *listen.Secure   // nil: no TLS
	board    *dashboard.Board // nil: no dashboard
}

// plan checks the configuration as a whole. The error lists every fault.
func (s *serve) plan(cmd *cobra.Command, g given, screen *console) (*plan, error) {
	p, faults := &plan{}, &ekaf.ConfigError{}
	keep := func(err error) { faults.Faults = append(faults.Faults, flat(err)...) }
	where := func(err error) { // for faults that do not name their lines themselves
		for _, fault := range flat(err) {
			if strings.HasPrefix(fault.Error(), "Brokers: at least one") {
				fault = errNoBroker
			}
			keep(p.file.Where(fault))
		}
	}
	var err error
	p.file, err = s.readFile(cmd.Flags(), g)
	keep(err)
	p.config, err = s.connection.settle(cmd, s.properties(cmd, p.file))
	for _, fault := range flat(err) {
		if strings.Contains(fault.Error(), "(--") { // it comes from a flag, and that perhaps from the file
			fault = p.file.Where(fault)
		}
		keep(fault)
	}
	if err != nil {
		p.config = unsettled()
	}
	p.board, err = s.newBoard()
	keep(err)
	p.producer, err = ekaf.New(slices.Concat([]ekaf.Option{ekaf.Workers(s.workers)}, p.file.Options, p.config.Options,
		s.ownOptions(cmd), []ekaf.Option{ekaf.OnEvent(p.hear(&watch{screen: screen}))})...)
	where(err)
	options, err := s.options()
	where(err)
	if c := s.keepOut(p.file); isGuarded(c) {
		p.keeper, err = access.New(c)
		where(err)
		options = append(options, gateway.Guard(p.keeper.Guard))
	}
	where(s.check())
	if s.tls.On() {
		p.secure, err = listen.NewSecure(s.tls, slog.New(slog.NewTextHandler(serverLog{screen}, nil)))
		where(err)
	}
	shown := newExposition()
	options = append(append(options, shown.mount()), p.boardOptions()...)
	if len(faults.Faults) == 0 {
		p.handler, err = gateway.New(p.producer, options...)
		keep(err)
	}
	if len(faults.Faults) == 0 {
		shown.fill(p.producer, p.handler, s.topicLabels)
	}
	if len(faults.Faults) > 0 {
		if p.producer != nil {
			closeNow(p.producer)
		}
		return nil, misuse{faults}
	}
	return p, nil
}

// ownOptions are options of the producer that have a flag, and no property.
func (s *serve) ownOptions(cmd *cobra.Command) []ekaf.Option {
	if cmd.Flags().Changed("workers") {
		return []ekaf.Option{ekaf.Workers(s.workers)}
	}
	return nil
}

// check checks what no other part does.
func (s *serve) check() error {
	var faults []error
	if s.principal != "" && s.tls.Authorities == "" {
		faults = append(faults, errors.New("--client-principal needs --tls-client-authorities: nobody has a certificate otherwise"))
	}
	if !s.tls.On() && (s.tls.Authorities != "" || s.tls.Required) {
		faults = append(faults, errors.New("client certificates need TLS: give --tls-certificate and --tls-key"))
	}
	l := s.limits
	if l.connections < 0 || l.header <= 0 || l.headerTime <= 0 || l.bodyTime <= 0 || l.idleTime <= 0 || l.writeTime < 0 {
		faults = append(faults, errors.New("--max-header, --header-timeout, --body-timeout and --idle-timeout are above 0, --max-connections and --write-timeout not below"))
	}
	if s.grace < 0 || s.drainDelay < 0 || s.topicLabels < 0 {
		faults = append(faults, errors.New("--grace, --drain-delay and --metric-topics are not below 0"))
	}
	return errors.Join(faults...)
}

// flat takes apart what errors.Join and ekaf.ConfigError have joined.
func flat(err error) []error {
	switch joined := err.(type) { //nolint:errorlint // what is wrapped deeper has a text around it, which counts
	case nil:
		return nil
	case misuse:
		return flat(joined.error)
	case interface{ Unwrap() []error }:
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, flat(e)...)
		}
		return all
	}
	return []error{err}
}

// inTheClear: credentials would travel without TLS beyond this machine.
func (s *serve) inTheClear(l net.Listener) bool {
	address, isTCP := l.Addr().(*net.TCPAddr)
	return isTCP && !address.IP.IsLoopback() && !s.tls.On() && (s.access.Tokens != "" || s.access.Users != "" || s.access.JWT.Keys != "")
}
