package properties

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// tokenFunc gives a token for one connection.
type tokenFunc func(ctx context.Context) (string, error)

// maxTokenBytes bounds a token file and an endpoint's answer.
const maxTokenBytes = 1 << 20

func (l *login) tokenSource() (tokenFunc, error) {
	if token := l.v.text("sasl.oauthbearer.token"); token != "" {
		return func(context.Context) (string, error) { return token, nil }, nil
	}
	if endpoint := l.v.text("sasl.oauthbearer.token.endpoint.url"); endpoint != "" {
		return l.endpointSource(endpoint)
	}
	if subject := l.module.Options["unsecuredLoginStringClaim_sub"]; subject != "" {
		return unsecured(subject, l.module.Options["unsecuredLoginStringClaim_scope"], time.Hour), nil
	}
	if on, _, _ := l.v.boolean("enable.sasl.oauthbearer.unsecure.jwt"); on {
		return l.unsecuredConfig()
	}
	return nil, errors.New("sasl.mechanism OAUTHBEARER needs a token: give sasl.oauthbearer.token.endpoint.url " +
		"(https://... with sasl.oauthbearer.client.id and .client.secret, or file:///... for a file that holds the token), or sasl.oauthbearer.token")
}

func (l *login) endpointSource(endpoint string) (tokenFunc, error) {
	u, err := url.Parse(endpoint)
	if err != nil { // the cause quotes the address, which may hold a password
		return nil, errors.New("sasl.oauthbearer.token.endpoint.url is no URL")
	}
	switch u.Scheme {
	case "file":
		return fileToken(filepath.FromSlash(u.Path))
	case "http", "https":
	default:
		return nil, errors.New("sasl.oauthbearer.token.endpoint.url must begin with https://, http:// or file://")
	}
	c := &clientCredentials{
		endpoint: endpoint,
		id:       l.option("clientId", "sasl.oauthbearer.client.id"),
		secret:   l.option("clientSecret", "sasl.oauthbearer.client.secret"),
		scope:    l.option("scope", "sasl.oauthbearer.scope"),
		http:     &http.Client{Timeout: 10 * time.Second, CheckRedirect: refuseRedirect},
		now:      time.Now,
	}
	if c.id == "" || c.secret == "" {
		return nil, errors.New("sasl.oauthbearer.token.endpoint.url needs sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret, " +
			"or clientId and clientSecret in sasl.jaas.config")
	}
	if e, ok := l.v.take("https.ca.location"); ok && e.value != "probe" {
		trust := trustSource{e, pemMaterial(e.value, false)}
		roots, err := trust.load()
		if err != nil {
			return nil, fmt.Errorf("%s (%s): %w", e.name, e.where, err)
		}
		c.http.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}}
	}
	return c.token, nil
}

// refuseRedirect: a redirected POST would hand the secret to another host.
func refuseRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// fileToken reads the token again at each connection: such files are renewed from outside.
func fileToken(path string) (tokenFunc, error) {
	read := func(context.Context) (string, error) {
		text, err := readBounded(path, maxTokenBytes)
		if err != nil {
			return "", fmt.Errorf("cannot get a token: %w", err)
		}
		token := strings.TrimSpace(string(text))
		if token == "" {
			return "", fmt.Errorf("cannot get a token: %s is empty", path)
		}
		return token, nil
	}
	if _, err := read(context.Background()); err != nil {
		return nil, err
	}
	return read, nil
}

// clientCredentials asks a token endpoint (RFC 6749 section 4.4) and keeps the
// token for most of its life, so that many connections share one.
type clientCredentials struct {
	endpoint, id, secret, scope string

	http *http.Client
	now  func() time.Time

	mu    sync.Mutex // guards the following, and makes one of many connections ask
	kept  string
	until time.Time
}

func (c *clientCredentials) token(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.kept != "" && c.now().Before(c.until) {
		return c.kept, nil
	}
	answer, err := c.ask(ctx)
	if err != nil {
		return "", fmt.Errorf("cannot get a token from the OAuth endpoint: %w", err)
	}
	c.kept = answer.Token
	c.until = c.now().Add(time.Duration(answer.Seconds) * time.Second * 8 / 10)
	return c.kept, nil
}

type tokenAnswer struct {
	Token   string `json:"access_token"`
	Seconds int64  `json:"expires_in"`
	Error   string `json:"error"`
}

func (c *clientCredentials) ask(ctx context.Context) (tokenAnswer, error) {
	form := url.Values{"grant_type": {"client_credentials"}}
	if c.scope != "" {
		form.Set("scope", c.scope)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return tokenAnswer{}, errors.New("its address is not valid")
	}
	request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	request.Header.Set("Accept", "application/json")
	request.SetBasicAuth(url.QueryEscape(c.id), url.QueryEscape(c.secret))
	response, err := c.http.Do(request)
	if err != nil {
		return tokenAnswer{}, withoutURL(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxTokenBytes))
	if err != nil {
		return tokenAnswer{}, withoutURL(err)
	}
	var answer tokenAnswer
	parsed := json.Unmarshal(text, &answer)
	switch {
	case response.StatusCode != http.StatusOK && parsed == nil && answer.Error != "":
		return answer, fmt.Errorf("it answered %d: %q", response.StatusCode, answer.Error)
	case response.StatusCode != http.StatusOK:
		return answer, fmt.Errorf("it answered %d", response.StatusCode)
	case parsed != nil || answer.Token == "":
		return answer, errors.New("its answer holds no access_token")
	}
	answer.Seconds = min(max(answer.Seconds, 0), 365*24*3600)
	return answer, nil
}

// withoutURL takes the address off an error: it may hold a password.
func withoutURL(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return err
}

// unsecured makes unsigned tokens (RFC 7515 appendix A.5), which brokers accept
// only where they are set up for development.
func unsecured(subject, scope string, life time.Duration) tokenFunc {
	return func(context.Context) (string, error) {
		now := time.Now()
		claims := map[string]any{"sub": subject, "iat": now.Unix(), "exp": now.Add(life).Unix()}
		if scope != "" {
			claims["scope"] = strings.FieldsFunc(scope, func(r rune) bool { return r == ',' || r == ' ' })
		}
		body, err := json.Marshal(claims)
		if err != nil {
			return "", fmt.Errorf("cannot make a token: %w", err)
		}
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none"}`)) + "." + encode(body) + ".", nil
	}
}

// unsecuredConfig reads librdkafka's sasl.oauthbearer.config.
func (l *login) unsecuredConfig() (tokenFunc, error) {
	options := map[string]string{}
	for pair := range strings.FieldsSeq(l.v.text("sasl.oauthbearer.config")) {
		name, value, _ := strings.Cut(pair, "=")
		options[name] = value
	}
	if options["principal"] == "" {
		return nil, errors.New("sasl.oauthbearer.config must hold principal=NAME")
	}
	life := time.Hour
	if text := options["lifeSeconds"]; text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil || seconds == 0 {
			return nil, errors.New("sasl.oauthbearer.config: lifeSeconds must be a number of seconds")
		}
		life = time.Duration(seconds) * time.Second
	}
	return unsecured(options["principal"], options["scope"], life), nil
}
