package properties

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/ekaf-go/ekaf"
)

const mechanismList = "PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER, GSSAPI or AWS_MSK_IAM"

// modules are the login modules that belong to each mechanism.
var modules = map[string]string{
	"PLAIN":         "PlainLoginModule",
	"SCRAM-SHA-256": "ScramLoginModule",
	"SCRAM-SHA-512": "ScramLoginModule",
	"OAUTHBEARER":   "OAuthBearerLoginModule",
	"GSSAPI":        "Krb5LoginModule",
	"AWS_MSK_IAM":   "IAMLoginModule",
}

// login is what the SASL properties and the JAAS line say together.
type login struct {
	v         *values
	mechanism string
	module    LoginModule
	jaas      entry
	hasJAAS   bool
}

func (v *values) sasl(c *Config) {
	l := login{v: v}
	if l.jaas, l.hasJAAS = v.take("sasl.jaas.config"); l.hasJAAS {
		var err error
		if l.module, err = ParseJAAS(l.jaas.value); err != nil {
			v.fault(l.jaas, "%w", err)
			return
		}
	}
	if !l.findMechanism() {
		return
	}
	m, err := l.build()
	if err != nil {
		v.faults = append(v.faults, err)
		return
	}
	c.Mechanism = m
	c.add(ekaf.SASL(ekaf.Mechanism(m)))
}

// findMechanism checks that the mechanism is known and the login module its own.
func (l *login) findMechanism() bool {
	e, ok := l.v.take("sasl.mechanism")
	if !ok {
		protocol := l.v.by["security.protocol"]
		l.v.fault(protocol, "sasl.mechanism is missing: set it to %s", mechanismList)
		return false
	}
	l.mechanism = strings.ToUpper(e.value)
	module, known := modules[l.mechanism]
	if !known {
		l.v.fault(e, "it must be %s", mechanismList)
		return false
	}
	if l.hasJAAS && l.module.Name() != module {
		l.v.fault(l.jaas, "sasl.mechanism %s needs a login module named %s, not %s", l.mechanism, module, l.module.Name())
		return false
	}
	return true
}

func (l *login) build() (sasl.Mechanism, error) {
	switch l.mechanism {
	case "OAUTHBEARER":
		return l.oauthBearer()
	case "GSSAPI":
		return l.kerberos()
	case "AWS_MSK_IAM":
		return l.awsIAM()
	}
	user, password, err := l.userAndPassword()
	if err != nil {
		return nil, err
	}
	delegated := strings.EqualFold(l.module.Options["tokenauth"], "true")
	switch l.mechanism {
	case "SCRAM-SHA-256":
		return scram.Auth{User: user, Pass: password, IsToken: delegated}.AsSha256Mechanism(), nil
	case "SCRAM-SHA-512":
		return scram.Auth{User: user, Pass: password, IsToken: delegated}.AsSha512Mechanism(), nil
	}
	return plain.Auth{User: user, Pass: password}.AsMechanism(), nil
}

// option takes an option of the login module, else a property.
func (l *login) option(jaas, property string) string {
	if value := l.module.Options[jaas]; value != "" {
		return value
	}
	return l.v.text(property)
}

func (l *login) userAndPassword() (user, password string, err error) {
	user, password = l.option("username", "sasl.username"), l.option("password", "sasl.password")
	switch {
	case user == "" && password == "":
		return "", "", fmt.Errorf("sasl.mechanism %s needs a user and a password: give sasl.username and sasl.password, or sasl.jaas.config", l.mechanism)
	case user == "":
		return "", "", errors.New("sasl.username is missing")
	case password == "":
		return "", "", errors.New("sasl.password is missing")
	}
	return user, password, nil
}

// awsIAM takes the credentials of the properties, else of the environment,
// looked at again at each connection.
func (l *login) awsIAM() (sasl.Mechanism, error) {
	for _, option := range []string{"awsProfileName", "awsRoleArn"} {
		if l.module.Options[option] != "" {
			return nil, fmt.Errorf("sasl.jaas.config: %s is not supported: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, "+
				"for example with aws configure export-credentials", option)
		}
	}
	credentials := func(context.Context) (aws.Auth, error) {
		a := aws.Auth{
			AccessKey:    either(l.v.text("aws.access.key.id"), os.Getenv("AWS_ACCESS_KEY_ID")),
			SecretKey:    either(l.v.text("aws.secret.access.key"), os.Getenv("AWS_SECRET_ACCESS_KEY")),
			SessionToken: either(l.v.text("aws.session.token"), os.Getenv("AWS_SESSION_TOKEN")),
			UserAgent:    "ekaf",
		}
		if a.AccessKey == "" || a.SecretKey == "" {
			return a, errors.New("AWS_MSK_IAM has no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, " +
				"or the properties aws.access.key.id and aws.secret.access.key")
		}
		return a, nil
	}
	if _, err := credentials(context.Background()); err != nil {
		return nil, err
	}
	return aws.ManagedStreamingIAM(credentials), nil
}

func either(first, second string) string {
	if first != "" {
		return first
	}
	return second
}

// oauthBearer chooses where tokens come from: given, from a file, from an
// endpoint, or unsecured ones for a test.
func (l *login) oauthBearer() (sasl.Mechanism, error) {
	extensions, err := l.extensions()
	if err != nil {
		return nil, err
	}
	token, err := l.tokenSource()
	if err != nil {
		return nil, err
	}
	return oauth.Oauth(func(ctx context.Context) (oauth.Auth, error) {
		t, err := token(ctx)
		if err != nil {
			return oauth.Auth{}, err
		}
		return oauth.Auth{Token: t, Extensions: extensions}, nil
	}), nil
}

// extensions reads name=value pairs of the property, and the options
// extension_NAME of the login module.
func (l *login) extensions() (map[string]string, error) {
	list := map[string]string{}
	for pair := range strings.SplitSeq(l.v.text("sasl.oauthbearer.extensions"), ",") {
		if pair = strings.TrimSpace(pair); pair == "" {
			continue
		}
		name, value, found := strings.Cut(pair, "=")
		if !found {
			return nil, errors.New("sasl.oauthbearer.extensions must be name=value pairs separated by commas")
		}
		list[strings.TrimSpace(name)] = strings.TrimSpace(value)
	}
	for option, value := range l.module.Options {
		if name, found := strings.CutPrefix(option, "extension_"); found {
			list[name] = value
		}
	}
	return list, nil
}
