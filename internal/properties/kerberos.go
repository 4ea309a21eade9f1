package properties

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/kerberos"
)

// kerberos logs in with a keytab or, with useTicketCache, with the tickets that
// kinit left. The realm's servers come from the file named by KRB5_CONFIG, else
// /etc/krb5.conf.
func (l *login) kerberos() (sasl.Mechanism, error) {
	path := either(os.Getenv("KRB5_CONFIG"), "/etc/krb5.conf")
	settings, err := config.Load(path)
	if err != nil {
		return nil, fmt.Errorf("sasl.mechanism GSSAPI cannot read %s (KRB5_CONFIG names another): %w", path, err)
	}
	logIn, err := l.kerberosClient(settings)
	if err != nil {
		return nil, err
	}
	service := either(l.option("serviceName", "sasl.kerberos.service.name"), "kafka")
	// a client is made for each session: tickets and keytabs are then looked at anew
	return kerberos.Kerberos(func(context.Context) (kerberos.Auth, error) {
		c, err := logIn()
		if err != nil {
			return kerberos.Auth{}, err
		}
		return kerberos.Auth{Client: c, Service: service}, nil
	}), nil
}

func (l *login) kerberosClient(settings *config.Config) (func() (*client.Client, error), error) {
	keytabFile := l.option("keyTab", "sasl.kerberos.keytab")
	principal := l.option("principal", "sasl.kerberos.principal")
	if keytabFile == "" {
		cache, err := l.ticketCache()
		if err != nil {
			return nil, err
		}
		logIn := func() (*client.Client, error) {
			tickets, err := guarded(cache, credentials.LoadCCache)
			if err == nil {
				var c *client.Client
				if c, err = client.NewFromCCache(tickets, settings, client.DisablePAFXFAST(true)); err == nil {
					return c, nil
				}
			}
			return nil, fmt.Errorf("cannot use the Kerberos tickets in %s (run kinit): %w", cache, err)
		}
		_, err = logIn()
		return logIn, err
	}
	name, realm, _ := strings.Cut(principal, "@")
	if name == "" {
		return nil, errors.New("a keytab needs its principal: give sasl.kerberos.principal, or principal in sasl.jaas.config")
	}
	realm = either(realm, settings.LibDefaults.DefaultRealm)
	logIn := func() (*client.Client, error) {
		keys, err := guarded(keytabFile, keytab.Load)
		if err != nil {
			return nil, fmt.Errorf("cannot read the keytab %s: %w", keytabFile, err)
		}
		return client.NewWithKeytab(name, realm, keys, settings, client.DisablePAFXFAST(true)), nil
	}
	_, err := logIn()
	return logIn, err
}

// guarded: the Kerberos library's readers of binary files index past the end of
// a truncated one, and a bad file must not end the program.
func guarded[T any](path string, load func(string) (T, error)) (value T, err error) {
	defer func() {
		if recover() != nil {
			err = errors.New("the file is damaged")
		}
	}()
	return load(path)
}

func (l *login) ticketCache() (string, error) {
	cache := either(l.module.Options["ticketCache"], os.Getenv("KRB5CCNAME"))
	if cache == "" {
		if !strings.EqualFold(l.module.Options["useTicketCache"], "true") {
			return "", errors.New("sasl.mechanism GSSAPI needs sasl.kerberos.keytab and sasl.kerberos.principal, " +
				"or a ticket cache: run kinit and set KRB5CCNAME")
		}
		cache = "/tmp/krb5cc_" + strconv.Itoa(os.Getuid())
	}
	path := strings.TrimPrefix(cache, "FILE:")
	if kind, _, found := strings.Cut(path, ":"); found && len(kind) > 1 {
		return "", fmt.Errorf("a Kerberos ticket cache of the kind %s cannot be read: set KRB5CCNAME to a file", kind)
	}
	return path, nil
}
