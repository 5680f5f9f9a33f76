package notice

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"slices"
	"strings"
)

// named is a secret by its name: an environment variable or a file.
type named struct{ env, file string }

func (n named) isSet() bool { return n.env != "" || n.file != "" }

// resolver reads what settings name.
type resolver struct {
	getenv func(string) string
	name   string
	faults []fault
}

type fault struct{ text, hint string }

func (r *resolver) fail(text, hint string) { r.faults = append(r.faults, fault{text, hint}) }

// secret is the value that is named; empty with a fault when there is none. One that is not named is empty.
func (r *resolver) secret(key string, n named) string {
	switch {
	case n.env != "":
		value := strings.TrimSpace(r.getenv(n.env))
		if value == "" {
			r.fail(key+"Env: the environment variable "+n.env+" is not set", "set it where this runs, for example from a secret of the pipeline")
		}
		return value
	case n.file != "":
		value := strings.TrimSpace(string(r.read(key+"File", n.file)))
		if value == "" && len(r.faults) == 0 {
			r.fail(key+"File: the file is empty: "+n.file, "write the secret into it")
		}
		return value
	}
	return ""
}

// url is an address that is named, or stands in the file.
func (r *resolver) url(n named, plain string) *url.URL {
	text := plain
	if n.isSet() {
		text = r.secret("url", n)
	}
	if len(r.faults) > 0 {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" {
		r.fail("url: not an http or https URL", "write it with its scheme: https://…")
		return nil
	}
	u.Fragment = ""
	return u
}

func (r *resolver) read(key, path string) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		var where *fs.PathError
		if errors.As(err, &where) {
			err = where.Err
		}
		r.fail(key+": "+err.Error()+": "+path, "check the path, which is relative to the working directory, and who may read it")
	}
	return data
}

// tls trusts the certificates of a file, or those of the system.
func (r *resolver) tls(caFile string) *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if caFile == "" {
		return c
	}
	before := len(r.faults)
	c.RootCAs = x509.NewCertPool()
	if pem := r.read("caFile", caFile); !c.RootCAs.AppendCertsFromPEM(pem) && len(r.faults) == before {
		r.fail("caFile: no certificate is in it: "+caFile, "it has to be a PEM file with the certificate of the issuer")
	}
	return c
}

// secrets are what must not be in an error: a server may repeat what it was sent.
type secrets []string

// ofURL are the parts of an address that are as good as a password.
func ofURL(u *url.URL) secrets {
	if u == nil {
		return nil
	}
	all := secrets{u.String(), u.RequestURI(), u.Path, u.EscapedPath(), u.RawQuery, u.User.String()}
	if password, ok := u.User.Password(); ok {
		all = append(all, password)
	}
	all = append(all, strings.Split(u.Path, "/")...)
	for _, values := range u.Query() {
		all = append(all, values...)
	}
	return all
}

// shortestSecret: shorter parts of an address occur everywhere.
const shortestSecret = 6

// hide takes them out of a text.
func (s secrets) hide(text string) string {
	known := slices.DeleteFunc(slices.Clone(s), func(secret string) bool { return len(secret) < shortestSecret })
	slices.SortFunc(known, func(a, b string) int { return len(b) - len(a) }) // no part of one is to be left over
	for _, secret := range known {
		for _, form := range []string{secret, url.QueryEscape(secret), url.PathEscape(secret)} {
			text = strings.ReplaceAll(text, form, "(redacted)")
		}
	}
	return text
}

// longest is the length of the longest of them as it may stand in a text.
func (s secrets) longest() int {
	n := 0
	for _, secret := range s {
		n = max(n, len(url.QueryEscape(secret)))
	}
	return n
}
