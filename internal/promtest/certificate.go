package promtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"testing"
	"time"
)

// Kinds of TLS listeners; "" is one without fault.
const (
	wrongCA           = "TLS wrong CA"
	expired           = "TLS expired"
	nameMismatch      = "TLS name mismatch"
	clientCertificate = "TLS client certificate required"
)

// PKI is what a client needs for the TLS listeners of a proxy, as PEM: the
// authority that signed all of them but the one of a wrong CA, and a
// certificate for the one that requires it.
type PKI struct {
	CA, Certificate, Key []byte
}

// PKI returns what was made for this proxy.
func (p *FaultProxy) PKI() PKI { return p.authority().PKI }

// TLSURL is the proxy with TLS that is in order.
func (p *FaultProxy) TLSURL() string { return p.secureURL("") }

func (p *FaultProxy) secureURL(kind string) string {
	authority := p.authority()
	p.mu.Lock()
	url, ok := p.secure[kind]
	p.mu.Unlock()
	if ok {
		return url
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", authority.config(kind))
	if err != nil {
		p.t.Error(err)
		return ""
	}
	url = "https://" + listener.Addr().String()
	p.serve(listener)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secure[kind] = url
	return url
}

func (p *FaultProxy) authority() *pki {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.pki == nil {
		p.pki = newPKI(p.t)
	}
	return p.pki
}

// pki is an authority, and another one that nobody trusts.
type pki struct {
	PKI
	t           testing.TB
	own, others *issuer
}

type issuer struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
}

func newPKI(t testing.TB) *pki {
	a := &pki{t: t, own: newIssuer(t, "promtest"), others: newIssuer(t, "somebody else")}
	a.CA = a.own.pem
	client := &x509.Certificate{Subject: pkix.Name{CommonName: "client"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
	a.Certificate, a.Key = a.own.issue(t, client)
	return a
}

func (a *pki) config(kind string) *tls.Config {
	by := a.own
	leaf := &x509.Certificate{
		Subject:     pkix.Name{CommonName: "prometheus"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	config := &tls.Config{}
	switch kind {
	case wrongCA:
		by = a.others
	case expired:
		leaf.NotAfter = time.Now().Add(-time.Hour)
	case nameMismatch:
		leaf.IPAddresses, leaf.DNSNames = nil, []string{"prometheus.example"}
	case clientCertificate:
		config.ClientAuth, config.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
		config.ClientCAs.AddCert(a.own.certificate)
	}
	pair, err := tls.X509KeyPair(by.issue(a.t, leaf))
	if err != nil {
		a.t.Error(err)
	}
	config.Certificates = []tls.Certificate{pair}
	return config
}

func newIssuer(t testing.TB, name string) *issuer {
	key := newKey(t)
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: name}, SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(48 * time.Hour),
	}
	data, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(data)
	if err != nil {
		t.Fatal(err)
	}
	return &issuer{certificate, key, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data})}
}

// issue signs the certificate, and returns it with its key as PEM.
func (i *issuer) issue(t testing.TB, leaf *x509.Certificate) (certificate, private []byte) {
	key := newKey(t)
	leaf.SerialNumber, leaf.NotBefore = big.NewInt(2), time.Now().Add(-24*time.Hour)
	if leaf.NotAfter.IsZero() {
		leaf.NotAfter = time.Now().Add(24 * time.Hour)
	}
	data, err := x509.CreateCertificate(rand.Reader, leaf, i.certificate, key.Public(), i.key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: data}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
