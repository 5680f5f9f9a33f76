package prometheus

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Settings say how to reach a server and how to show who asks, in the words
// of a file: secrets are named, by an environment variable, a file or a
// command, and read by [Settings.Config]. [ParseConfig] fills them from YAML;
// flags can fill or change them, too.
//
// URL, the values of Headers, Username, ClientID, TokenURL, the values of
// EndpointParams and ProxyURL may hold ${env.NAME}. Paths of files are
// relative to the working directory.
type Settings struct {
	// URL is where the server is; see [Config.URL].
	URL string

	// Service is a Service in the cluster, as "namespace/name:port", with
	// "https:" before it if it speaks TLS. Whoever owns the connection to the
	// cluster finds the way there, and sets URL and Transport or Dial.
	// Path is the path of the API behind it, such as /prometheus.
	Service, Path string

	Headers     map[string]string // sent with every request
	HeaderFiles map[string]string // the same, by the files that hold their values, which are read anew each time

	// At most one of these three may be set.
	BasicAuth *BasicAuth
	Bearer    *Bearer
	OAuth2    *OAuth2

	TLS      TLS
	ProxyURL string // empty: the proxy variables of the environment

	AllowPartial bool          // see [Config.AllowPartial]
	PreferGET    bool          // see [Config.PreferGET]
	Timeout      time.Duration // see [Config.Timeout]

	// Transport sends the requests instead of one that is made of TLS and
	// ProxyURL: the way through an API server. Credentials are added to what
	// it gets.
	Transport http.RoundTripper

	// Dial opens the connections: the way through a port-forward. TLS
	// applies on top of it, proxies do not.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// BasicAuth is a user name and where its password stands.
type BasicAuth struct {
	Username                  string
	PasswordEnv, PasswordFile string // exactly one
}

// Bearer is where a token stands. Exactly one field is set.
type Bearer struct {
	TokenEnv  string
	TokenFile string // read anew for every request

	// TokenCommand is a program and its arguments, without a shell. What it
	// prints is the token. It runs once, and again after five minutes and
	// when the server answers 401. It may take 30 seconds.
	TokenCommand []string
}

// OAuth2 is the client credentials grant of RFC 6749.
type OAuth2 struct {
	ClientID                          string
	ClientSecretEnv, ClientSecretFile string // exactly one
	TokenURL                          string
	Scopes                            []string
	EndpointParams                    map[string]string // such as audience

	// CAFile verifies the token server. Empty: the system's certificates, as
	// that server is often not of the same house as Prometheus.
	CAFile string
}

// TLS says how the server is verified and how this client shows itself. There
// is no way to skip the verification.
type TLS struct {
	CAFile            string // instead of the certificates of the system
	CertFile, KeyFile string // both or none; read anew for each connection
	ServerName        string // in the certificate, where it is not the host of the URL
}

// TunnelReason says why the requests must not go through the proxy of a
// Kubernetes API server: because it would take, keep or drop what they carry.
// It is empty where nothing speaks against that.
func (s Settings) TunnelReason() string {
	switch {
	case s.BasicAuth != nil:
		return "the API server would take basicAuth for its own credentials"
	case s.Bearer != nil:
		return "the API server would take the bearer token for its own credentials"
	case s.OAuth2 != nil:
		return "the API server would take the oauth2 token for its own credentials"
	case s.TLS.CertFile != "":
		return "the API server would not show the client certificate to Prometheus"
	}
	for _, headers := range []map[string]string{s.Headers, s.HeaderFiles} {
		for _, name := range sortedKeys(headers) {
			if meantForAPIServer(name) {
				return "the API server would take the header " + http.CanonicalHeaderKey(name) + " for its own"
			}
		}
	}
	return ""
}
