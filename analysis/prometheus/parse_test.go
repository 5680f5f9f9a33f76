package prometheus

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

func parse(t *testing.T, text string) (Settings, error) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return ParseConfig("gate.yaml", &document)
}

func TestParseConfig(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want Settings
	}{
		"url": {"url: https://prometheus.example:9090/prefix\npartial: accept", Settings{URL: "https://prometheus.example:9090/prefix", AllowPartial: true}},
		"from the environment": {"url: ${env.PROM_URL}\nheaders: {X-Scope-OrgID: 'team-${env.TEAM}', Authorization: 'Token ${env.T}'}\npartial: reject", Settings{
			URL: "${env.PROM_URL}", Headers: map[string]string{"X-Scope-OrgID": "team-${env.TEAM}", "Authorization": "Token ${env.T}"},
		}},
		"service": {"service: https:monitoring/prometheus:web\npath: /prometheus\nproxyUrl: socks5://proxy:1080", Settings{
			Service: "https:monitoring/prometheus:web", Path: "/prometheus", ProxyURL: "socks5://proxy:1080",
		}},
		"basic":   {"basicAuth: {username: ci, passwordEnv: PASSWORD}", Settings{BasicAuth: &BasicAuth{Username: "ci", PasswordEnv: "PASSWORD"}}},
		"bearer":  {"bearer: {tokenFile: /var/run/token}", Settings{Bearer: &Bearer{TokenFile: "/var/run/token"}}},
		"command": {"bearer:\n  tokenCommand: [gcloud, auth, print-access-token]", Settings{Bearer: &Bearer{TokenCommand: []string{"gcloud", "auth", "print-access-token"}}}},
		"oauth2": {"oauth2: {clientId: ci, clientSecretFile: s, tokenUrl: 'https://id.example/token', scopes: [a, b], endpointParams: {audience: x}, caFile: ca.pem}", Settings{
			OAuth2: &OAuth2{ClientID: "ci", ClientSecretFile: "s", TokenURL: "https://id.example/token", Scopes: []string{"a", "b"}, EndpointParams: map[string]string{"audience": "x"}, CAFile: "ca.pem"},
		}},
		"tls":   {"tls: {caFile: a, certFile: b, keyFile: c, serverName: d}", Settings{TLS: TLS{CAFile: "a", CertFile: "b", KeyFile: "c", ServerName: "d"}}},
		"alias": {"bearer: &b {tokenEnv: T}\nurl: &u http://h\n", Settings{URL: "http://h", Bearer: &Bearer{TokenEnv: "T"}}},
	} {
		got, err := parse(t, tt.text)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(tt.want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

func TestParseConfigRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"url: http://h\nulr: x":                            `gate.yaml:2:1: reading prometheus: unknown key "ulr"` + "\n  hint: did you mean \"url\"?",
		"colour: red":                                      "known keys are url, service, path, headers, basicAuth, bearer, oauth2, tls, proxyUrl, partial",
		"headerz: {}":                                      `did you mean "headers"`,
		"url: http://h\nurl: http://i":                     `gate.yaml:2:1: reading prometheus: the key "url" is there twice`,
		"url: prometheus:9090":                             "gate.yaml:1:6: reading prometheus.url: not a URL of the scheme http or https\n  hint: write it with its scheme",
		"url: [a]":                                         "gate.yaml:1:6: reading prometheus.url: not a single value",
		"url:":                                             "reading prometheus.url: not a single value",
		"url: ${PROM_URL}":                                 `reading prometheus.url: "${PROM_URL}" is not a variable` + "\n  hint: write ${env.NAME}",
		"url: ${env.PROM_URL":                              "is not a variable",
		"url: http://ci:sesame@h":                          "gate.yaml:1:6: reading prometheus.url: it holds a password\n  hint: a secret does not belong in a file: use basicAuth",
		"proxyUrl: http://ci:sesame@h":                     "reading prometheus.proxyUrl: it holds a password",
		"url: http://h\nservice: a/b:1":                    "gate.yaml:2:1: reading prometheus: url and service exclude each other",
		"url: http://h\npath: /x":                          "gate.yaml:2:1: reading prometheus.path: it belongs to service\n  hint: write the path into the url",
		"password: sesame":                                 `gate.yaml:1:1: reading prometheus: the key "password" is not allowed` + "\n  hint: a secret does not belong in a file: use basicAuth with username and passwordEnv or passwordFile",
		"token: sesame":                                    "use bearer with tokenEnv, tokenFile or tokenCommand",
		"bearer: {token: sesame}":                          `gate.yaml:1:10: reading prometheus.bearer: the key "token" is not allowed` + "\n  hint: a secret does not belong in a file: use tokenEnv",
		"bearer: {tokenEnv: A, tokenFile: B}":              "reading prometheus.bearer: tokenEnv and tokenFile exclude each other",
		"bearer: {}":                                       "reading prometheus.bearer: it says nowhere where the secret is\n  hint: add tokenEnv or tokenFile or tokenCommand",
		"bearer: sesame":                                   "gate.yaml:1:9: reading prometheus.bearer: not a mapping\n  hint: write it as lines of 'key: value'; known keys are tokenEnv",
		"bearer: {tokenCommand: gcloud auth token}":        "reading prometheus.bearer.tokenCommand: not a list\n  hint: write the program and its arguments as a list",
		"bearer: {tokenCommand: [a, {b: c}]}":              "reading prometheus.bearer.tokenCommand[1]: not a single value",
		"basicAuth: {passwordEnv: A}":                      "reading prometheus.basicAuth: it has no username",
		"basicAuth: {username: a, password: sesame}":       "use passwordEnv or passwordFile",
		"basicAuth: {username: a, passwordEnvironment: A}": `unknown key "passwordEnvironment"`,
		"oauth2: {clientId: a, clientSecret: sesame}":      "use clientSecretEnv or clientSecretFile",
		"oauth2: {clientId: a, clientSecretEnv: b}":        "reading prometheus.oauth2: it has no tokenUrl",
		"tls: {certFile: a}":                               "gate.yaml:1:7: reading prometheus.tls: certFile without keyFile",
		"tls: {insecureSkipVerify: true}":                  "certificates are always verified",
		"basicAuth: {username: a, passwordEnv: A}\nbearer: {tokenEnv: A}": "gate.yaml:2:1: reading prometheus: basicAuth and bearer exclude each other",
		"bearer: {tokenEnv: A}\nheaders: {authorization: '${env.A}'}":     "gate.yaml:2:1: reading prometheus.headers: Authorization is set by",
		"headers: {Authorization: Bearer sesame}":                         "gate.yaml:1:26: reading prometheus.headers.Authorization: its value stands in the file",
		"headers: {x-api-key: sesame}":                                    "its value stands in the file",
		"headers: {Host: h}":                                              "it cannot be set",
		"headers: {'a b': c}":                                             "a name that no header can have",
		"headers: {A: '${B}'}":                                            "write ${env.NAME}",
		"headers: [a]":                                                    "reading prometheus.headers: not a mapping",
		"partial: maybe":                                                  "gate.yaml:1:10: reading prometheus.partial: neither reject nor accept",
		"[]":                                                              "gate.yaml:1:1: reading prometheus: not a mapping",
	} {
		_, err := parse(t, text)
		var mistake *analysis.SpecError
		if !errors.As(err, &mistake) || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "\n  hint: ") {
			t.Errorf("%s: got %v, want %s", text, err, want)
			continue
		}
		if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: error %q tells too much", text, err)
		}
	}
}

func TestParseConfigFindsAll(t *testing.T) {
	_, err := parse(t, "url: x\ntoken: y\ntls: {keyFile: z}\npartial: 1")
	if n := strings.Count(err.Error(), "gate.yaml:"); n != 4 {
		t.Errorf("got %d mistakes: %v", n, err)
	}
}

func TestTunnelReason(t *testing.T) {
	for name, tt := range map[string]struct {
		settings Settings
		want     string
	}{
		"nothing": {Settings{Headers: map[string]string{"X-Scope-OrgID": "a"}, TLS: TLS{CAFile: "a"}}, ""},
		"bearer":  {Settings{Bearer: &Bearer{}}, "the bearer token"},
		"basic":   {Settings{BasicAuth: &BasicAuth{}}, "basicAuth"},
		"oauth2":  {Settings{OAuth2: &OAuth2{}}, "oauth2"},
		"mTLS":    {Settings{TLS: TLS{CertFile: "a", KeyFile: "b"}}, "client certificate"},
		"header":  {Settings{Headers: map[string]string{"authorization": "a"}}, "Authorization"},
		"as":      {Settings{Headers: map[string]string{"impersonate-user": "a"}}, "Impersonate-User"},
	} {
		if got := tt.settings.TunnelReason(); (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
			t.Errorf("%s: got %q", name, got)
		}
	}
}
