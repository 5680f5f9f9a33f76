package prometheus

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// issuer signs certificates for a test.
type issuer struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newIssuer(t *testing.T) issuer {
	t.Helper()
	i := issuer{t: t}
	template := &x509.Certificate{Subject: pkix.Name{CommonName: "test issuer"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign, NotAfter: time.Now().Add(time.Hour)}
	pair := i.sign(template)
	i.cert, i.key = pair.Leaf, pair.PrivateKey.(*ecdsa.PrivateKey)
	i.file, _ = i.files(pair)
	return i
}

// sign issues a certificate, or one by itself while there is no issuer yet.
func (i issuer) sign(template *x509.Certificate) tls.Certificate {
	i.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		i.t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(time.Now().UnixNano())
	parent, signer := i.cert, i.key
	if parent == nil {
		parent, signer = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		i.t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		i.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// files writes a certificate and its key.
func (i issuer) files(pair tls.Certificate) (cert, key string) {
	i.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		i.t.Fatal(err)
	}
	dir := i.t.TempDir()
	return write(i.t, filepath.Join(dir, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}))),
		write(i.t, filepath.Join(dir, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func secure(t *testing.T, config *tls.Config) string {
	t.Helper()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, one) }))
	server.TLS = config
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

func TestCertificates(t *testing.T) {
	ours, theirs := newIssuer(t), newIssuer(t)
	local, soon := []net.IP{net.IPv4(127, 0, 0, 1)}, time.Now().Add(time.Hour)
	good := &tls.Config{Certificates: []tls.Certificate{ours.sign(&x509.Certificate{IPAddresses: local, NotAfter: soon})}}
	expired := &tls.Config{Certificates: []tls.Certificate{ours.sign(&x509.Certificate{IPAddresses: local, NotAfter: time.Now().Add(-time.Hour)})}}
	named := &tls.Config{Certificates: []tls.Certificate{ours.sign(&x509.Certificate{DNSNames: []string{"prometheus.example"}, NotAfter: soon})}}
	pool := x509.NewCertPool()
	pool.AddCert(ours.cert)
	mutual := &tls.Config{Certificates: good.Certificates, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	client := func(i issuer) (string, string) {
		return i.files(i.sign(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, NotAfter: soon}))
	}
	cert, key := client(ours)
	otherCert, otherKey := client(theirs)
	for name, tt := range map[string]struct {
		server *tls.Config
		tls    TLS
		kind   analysis.ErrorKind // "" works
		want   string
	}{
		"own issuer":        {good, TLS{CAFile: ours.file}, "", ""},
		"no issuer":         {good, TLS{}, analysis.Unreachable, "certificate signed by unknown authority\n  hint: make the issuer known: with tls.caFile, or with the environment variable SSL_CERT_FILE"},
		"wrong issuer":      {good, TLS{CAFile: theirs.file}, analysis.Unreachable, "hint: make the issuer known"},
		"expired":           {expired, TLS{CAFile: ours.file}, analysis.Unreachable, "hint: the certificate has to be renewed"},
		"other name":        {named, TLS{CAFile: ours.file}, analysis.Unreachable, "hint: use a name that the certificate holds"},
		"server name":       {named, TLS{CAFile: ours.file, ServerName: "prometheus.example"}, "", ""},
		"mutual":            {mutual, TLS{CAFile: ours.file, CertFile: cert, KeyFile: key}, "", ""},
		"no client":         {mutual, TLS{CAFile: ours.file}, analysis.Unauthorized, "hint: the server wants a client certificate"},
		"client of others":  {mutual, TLS{CAFile: ours.file, CertFile: otherCert, KeyFile: otherKey}, analysis.Unauthorized, "hint: the server wants a client certificate"},
		"mutual in TLS 1.2": {&tls.Config{Certificates: good.Certificates, ClientAuth: mutual.ClientAuth, ClientCAs: pool, MaxVersion: tls.VersionTLS12}, TLS{CAFile: ours.file}, analysis.Unauthorized, "client certificate"},
	} {
		c := connect(t, Settings{URL: secure(t, tt.server), TLS: tt.tls}, nil)
		begin := time.Now()
		_, err := ask(c)
		if tt.kind == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		wants(t, err, tt.kind, tt.want)
		if time.Since(begin) > 2*time.Second {
			t.Errorf("%s: was tried again for %s", name, time.Since(begin))
		}
	}
	_, err := Settings{URL: "https://h", TLS: TLS{CertFile: cert, KeyFile: otherKey}}.Config(environment{}.get)
	if err == nil || !strings.Contains(err.Error(), "reading prometheus.tls.certFile and keyFile: ") || !strings.Contains(err.Error(), "the key has to be the one of the certificate") {
		t.Errorf("got %v", err)
	}
}

// The token server is verified by its own setting, not by that of Prometheus.
func TestTokenServerCertificate(t *testing.T) {
	ours := newIssuer(t)
	pair := ours.sign(&x509.Certificate{IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour)})
	tokens := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"access_token":"sesame-token"}`)
	}))
	tokens.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	tokens.Config.ErrorLog = log.New(io.Discard, "", 0)
	tokens.StartTLS()
	defer tokens.Close()
	settings := Settings{
		URL: guard(t, "Authorization", "Bearer sesame-token").URL, TLS: TLS{CAFile: ours.file},
		OAuth2: &OAuth2{ClientID: "ci", ClientSecretEnv: "SECRET", TokenURL: tokens.URL},
	}
	env := environment{"SECRET": "open-sesame"}
	_, err := ask(connect(t, settings, env))
	wants(t, err, analysis.Unauthorized, "unknown authority\n  hint: make the issuer known: with oauth2.caFile")
	settings.OAuth2.CAFile = ours.file
	if _, err := ask(connect(t, settings, env)); err != nil {
		t.Error(err)
	}
}

// The way that a caller found gets the credentials on top, and no proxy.
func TestGivenWay(t *testing.T) {
	server := guard(t, "Authorization", "Bearer sesame-token")
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, strings.TrimPrefix(server.URL, "http://"))
	}
	settings := Settings{URL: "http://prometheus.monitoring.svc:9090", Bearer: &Bearer{TokenEnv: "T"}, Dial: dial}
	env := environment{"T": "sesame-token", "HTTP_PROXY": "http://127.0.0.1:1"}
	if _, err := ask(connect(t, settings, env)); err != nil {
		t.Error(err)
	}
	settings.Dial, settings.Transport = nil, &http.Transport{DialContext: dial}
	if _, err := ask(connect(t, settings, env)); err != nil {
		t.Error(err)
	}
}
