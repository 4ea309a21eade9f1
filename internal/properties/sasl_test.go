package properties

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// firstMessage is what a mechanism sends first.
func firstMessage(t *testing.T, arguments ...string) (mechanism, message string, err error) {
	t.Helper()
	c, err := configOf(append([]string{"security.protocol=SASL_PLAINTEXT"}, arguments...)...)
	if err != nil {
		return "", "", err
	}
	_, first, err := c.Mechanism.Authenticate(t.Context(), "b-1.demo.kafka.eu-west-1.amazonaws.com:9098")
	return c.Mechanism.Name(), string(first), err
}

func TestMechanisms(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	for _, c := range []struct {
		name      string
		arguments []string
		mechanism string
		want      string
	}{
		{"PLAIN", []string{"sasl.mechanism=PLAIN", "sasl.username=u", "sasl.password=p"}, "PLAIN", "\x00u\x00p"},
		{"PLAIN by JAAS", []string{"sasl.mechanism=PLAIN",
			`sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required username="u" password="p";`}, "PLAIN", "\x00u\x00p"},
		{"lower case, librdkafka's name", []string{"sasl.mechanisms=plain", "sasl.username=u", "sasl.password=p"}, "PLAIN", "\x00u\x00p"},
		{"SCRAM-SHA-256", []string{"sasl.mechanism=SCRAM-SHA-256", "sasl.username=u", "sasl.password=p"}, "SCRAM-SHA-256", "n,,n=u,r="},
		{"SCRAM-SHA-512 by JAAS", []string{"sasl.mechanism=SCRAM-SHA-512",
			`sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=u password=p;`}, "SCRAM-SHA-512", "n,,n=u,r="},
		{"delegation token", []string{"sasl.mechanism=SCRAM-SHA-512",
			`sasl.jaas.config=x.ScramLoginModule required username=u password=p tokenauth=true;`}, "SCRAM-SHA-512", ",tokenauth=true"},
		{"token", []string{"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token=tok", "sasl.oauthbearer.extensions=logicalCluster=lkc-1, pool=p"},
			"OAUTHBEARER", "auth=Bearer tok\x01logicalCluster=lkc-1\x01pool=p\x01\x01"},
		{"unsecured by JAAS", []string{"sasl.mechanism=OAUTHBEARER",
			`sasl.jaas.config=x.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="alice" extension_a="b";`}, "OAUTHBEARER", "\x01a=b\x01\x01"},
		{"unsecured of librdkafka", []string{"sasl.mechanism=OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt=true",
			"sasl.oauthbearer.config=principal=alice lifeSeconds=60"}, "OAUTHBEARER", "auth=Bearer " + base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "."},
		{"MSK", []string{"sasl.mechanism=AWS_MSK_IAM", "aws.access.key.id=AKIDEXAMPLE", "aws.secret.access.key=s"}, "AWS_MSK_IAM", "AKIDEXAMPLE"},
	} {
		t.Run(c.name, func(t *testing.T) {
			mechanism, first, err := firstMessage(t, c.arguments...)
			if err != nil || mechanism != c.mechanism || !strings.Contains(first, c.want) {
				t.Errorf("got %s %q, %v", mechanism, first, err)
			}
		})
	}
}

func TestMSKTakesTheEnvironment(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "FROMENV")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "s")
	if _, first, err := firstMessage(t, "sasl.mechanism=AWS_MSK_IAM"); err != nil || !strings.Contains(first, "FROMENV") {
		t.Errorf("got %q, %v", first, err)
	}
}

func TestMechanismFaults(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("KRB5_CONFIG", filepath.Join(t.TempDir(), "none"))
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{[]string{"sasl.mechanism=PLAIN", `sasl.jaas.config=x.ScramLoginModule required username=u password=hunter2;`}, "needs a login module named PlainLoginModule"},
		{[]string{"sasl.mechanism=AWS_MSK_IAM"}, "AWS_ACCESS_KEY_ID"},
		{[]string{"sasl.mechanism=AWS_MSK_IAM", `sasl.jaas.config=software.amazon.msk.auth.iam.IAMLoginModule required awsProfileName="x";`}, "awsProfileName is not supported"},
		{[]string{"sasl.mechanism=OAUTHBEARER"}, "needs a token"},
		{[]string{"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url=https://u:hunter2@x/"}, "needs sasl.oauthbearer.client.id"},
		{[]string{"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url=ftp://u:hunter2@x/"}, "must begin with https://"},
		{[]string{"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url=https://u:hunter2@%zz/"}, "no URL"},
		{[]string{"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token.endpoint.url=file:///nowhere/token"}, "/nowhere/token"},
		{[]string{"sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.token=t", "sasl.oauthbearer.extensions=x"}, "name=value"},
		{[]string{"sasl.mechanism=OAUTHBEARER", "enable.sasl.oauthbearer.unsecure.jwt=true"}, "principal=NAME"},
		{[]string{"sasl.mechanism=GSSAPI"}, "KRB5_CONFIG"},
	} {
		got := strings.Join(faultsOf(t, append(c.arguments, "security.protocol=SASL_SSL")...), "\n")
		if !strings.Contains(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.arguments, got, c.want)
		}
	}
}

func TestTokenEndpoint(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		id, secret, _ := r.BasicAuth()
		if r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "kafka" || id != "app" || secret != "hunter2" {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client"}`)
			return
		}
		fmt.Fprintf(w, `{"access_token":"t%d","expires_in":100}`, asked.Load())
	}))
	defer server.Close()
	now := time.Unix(0, 0)
	c := &clientCredentials{endpoint: server.URL, id: "app", secret: "hunter2", scope: "kafka", http: server.Client(), now: func() time.Time { return now }}
	for _, step := range []struct {
		at   int64
		want string
	}{{0, "t1"}, {79, "t1"}, {80, "t2"}, {159, "t2"}, {300, "t3"}} {
		now = time.Unix(step.at, 0)
		if token, err := c.token(t.Context()); err != nil || token != step.want {
			t.Errorf("at %d s got %q, %v; want %q", step.at, token, err, step.want)
		}
	}
	c.kept, c.id = "", "other"
	if _, err := c.token(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid_client") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a refusal gave %v", err)
	}
	server.Close()
	if _, err := c.token(t.Context()); err == nil || strings.Contains(err.Error(), server.URL) {
		t.Errorf("an endpoint out of reach gave %v", err)
	}
}

func TestTokenEndpointByProperties(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		fmt.Fprintf(w, `{"access_token":"%s-%s"}`, id, secret)
	}))
	defer server.Close()
	_, first, err := firstMessage(t, "sasl.mechanism=OAUTHBEARER", "sasl.oauthbearer.method=oidc", "sasl.oauthbearer.token.endpoint.url="+server.URL,
		`sasl.jaas.config=x.OAuthBearerLoginModule required clientId="i" clientSecret="s";`)
	if err != nil || !strings.Contains(first, "Bearer i-s\x01") {
		t.Errorf("got %q, %v", first, err)
	}
}

func TestTokenFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	write(t, file, "one\n")
	source, err := fileToken(file)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, "two\n")
	if token, err := source(context.Background()); err != nil || token != "two" {
		t.Errorf("got %q, %v", token, err)
	}
}

func TestKerberosFaults(t *testing.T) {
	dir := t.TempDir()
	conf, bad := filepath.Join(dir, "krb5.conf"), filepath.Join(dir, "bad")
	write(t, conf, "[libdefaults]\n default_realm = EXAMPLE.COM\n")
	write(t, bad, "\x05\x02\x00\x00\xff\xff\x00")
	t.Setenv("KRB5_CONFIG", conf)
	t.Setenv("KRB5CCNAME", "")
	for _, c := range []struct {
		arguments []string
		want      string
	}{
		{nil, "needs sasl.kerberos.keytab"},
		{[]string{"sasl.kerberos.keytab=" + bad}, "needs its principal"},
		{[]string{"sasl.kerberos.keytab=" + bad, "sasl.kerberos.principal=u"}, bad},
		{[]string{`sasl.jaas.config=x.Krb5LoginModule required useTicketCache=true ticketCache="` + bad + `";`}, "run kinit"},
		{[]string{`sasl.jaas.config=x.Krb5LoginModule required useTicketCache=true ticketCache="KEYRING:x";`}, "KEYRING cannot be read"},
	} {
		got := strings.Join(faultsOf(t, append(c.arguments, "security.protocol=SASL_SSL", "sasl.mechanism=GSSAPI")...), "\n")
		if !strings.Contains(got, c.want) {
			t.Errorf("%q: got %q, want %q", c.arguments, got, c.want)
		}
	}
}
