package prometheus

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// ParseConfig reads Settings from the YAML mapping under the key prometheus.
// It reads neither the environment nor a file that is named there. Unknown
// keys, wrong types, secrets that stand in the file itself and settings that
// exclude each other are errors; the result joins one [*analysis.SpecError]
// per mistake, with the given file name and the line of the mistake.
func ParseConfig(file string, node *yaml.Node) (Settings, error) {
	var s Settings
	d := &decoder{file: file}
	present := d.mapping("prometheus", node, d.fields(&s))
	d.exclusive(present, "prometheus", "basicAuth", "bearer", "oauth2")
	d.exclusive(present, "prometheus", "url", "service")
	if key := present["path"]; key != nil && present["url"] != nil {
		d.fault(key, "reading prometheus.path: it belongs to service", "write the path into the url")
	}
	d.oneAuthorization(s, present, "prometheus")
	return s, errors.Join(d.errs...)
}

// ParseWay reads those settings that say who asks and how certificates are verified, from a mapping under another key,
// root. All else is as for [ParseConfig].
func ParseWay(file, root string, node *yaml.Node) (Settings, error) {
	var s Settings
	d := &decoder{file: file}
	present := d.mapping(root, node, d.wayFields(&s))
	d.exclusive(present, root, "basicAuth", "bearer", "oauth2")
	d.oneAuthorization(s, present, root)
	return s, errors.Join(d.errs...)
}

// oneAuthorization refuses two values for one header.
func (d *decoder) oneAuthorization(s Settings, present map[string]*yaml.Node, root string) {
	auth := slices.ContainsFunc([]string{"basicAuth", "bearer", "oauth2"}, func(name string) bool { return present[name] != nil })
	if auth && (hasHeader(s.Headers, "Authorization") || hasHeader(s.HeaderFiles, "Authorization")) {
		d.fault(present["headers"], "reading "+root+".headers: Authorization is set by basicAuth, bearer or oauth2 as well", "keep one of them")
	}
}

// Why keys are refused that people expect.
const (
	adviceToken    = "a secret does not belong in a file: use bearer with tokenEnv, tokenFile or tokenCommand"
	advicePassword = "a secret does not belong in a file: use basicAuth with username and passwordEnv or passwordFile"
	adviceInsecure = "certificates are always verified: give the issuer as tls.caFile, the name in the certificate as tls.serverName"
)

func (d *decoder) fields(s *Settings) []field {
	where := []field{
		{name: "url", read: d.url(&s.URL, "http", "https")},
		{name: "service", read: d.text(&s.Service)},
		{name: "path", read: d.text(&s.Path)},
	}
	return slices.Concat(where, d.wayFields(s), []field{{name: "partial", read: d.partial(&s.AllowPartial)}})
}

// wayFields are the keys that do not say where the server is.
func (d *decoder) wayFields(s *Settings) []field {
	return []field{
		{name: "headers", read: func(path string, value *yaml.Node) { d.headers(s, path, value) }},
		{name: "basicAuth", read: func(path string, value *yaml.Node) { s.BasicAuth = d.basicAuth(path, value) }},
		{name: "bearer", read: func(path string, value *yaml.Node) { s.Bearer = d.bearer(path, value) }},
		{name: "oauth2", read: func(path string, value *yaml.Node) { s.OAuth2 = d.oauth2(path, value) }},
		{name: "tls", read: func(path string, value *yaml.Node) { s.TLS = d.tls(path, value) }},
		{name: "proxyUrl", read: d.url(&s.ProxyURL, "http", "https", "socks5")},
		{name: "token", advice: adviceToken},
		{name: "bearerToken", advice: adviceToken},
		{name: "password", advice: advicePassword},
		{name: "insecureSkipVerify", advice: adviceInsecure},
	}
}

func (d *decoder) basicAuth(path string, node *yaml.Node) *BasicAuth {
	var b BasicAuth
	present := d.mapping(path, node, []field{
		{name: "username", read: d.expandable(&b.Username)},
		{name: "passwordEnv", read: d.text(&b.PasswordEnv)},
		{name: "passwordFile", read: d.text(&b.PasswordFile)},
		{name: "password", advice: "a secret does not belong in a file: use passwordEnv or passwordFile"},
	})
	d.required(node, present, path, "username")
	d.oneOf(node, present, path, "passwordEnv", "passwordFile")
	return &b
}

func (d *decoder) bearer(path string, node *yaml.Node) *Bearer {
	var b Bearer
	present := d.mapping(path, node, []field{
		{name: "tokenEnv", read: d.text(&b.TokenEnv)},
		{name: "tokenFile", read: d.text(&b.TokenFile)},
		{name: "tokenCommand", read: d.texts(&b.TokenCommand, "write the program and its arguments as a list, such as [gcloud, auth, print-access-token]; there is no shell")},
		{name: "token", advice: "a secret does not belong in a file: use tokenEnv, tokenFile or tokenCommand"},
	})
	d.oneOf(node, present, path, "tokenEnv", "tokenFile", "tokenCommand")
	return &b
}

func (d *decoder) oauth2(path string, node *yaml.Node) *OAuth2 {
	var o OAuth2
	present := d.mapping(path, node, []field{
		{name: "clientId", read: d.expandable(&o.ClientID)},
		{name: "clientSecretEnv", read: d.text(&o.ClientSecretEnv)},
		{name: "clientSecretFile", read: d.text(&o.ClientSecretFile)},
		{name: "tokenUrl", read: d.url(&o.TokenURL, "http", "https")},
		{name: "scopes", read: d.texts(&o.Scopes, "write it as a list, such as [metrics.read]")},
		{name: "endpointParams", read: d.table(&o.EndpointParams, func(string, *yaml.Node, *yaml.Node) {})},
		{name: "caFile", read: d.text(&o.CAFile)},
		{name: "clientSecret", advice: "a secret does not belong in a file: use clientSecretEnv or clientSecretFile"},
	})
	d.required(node, present, path, "clientId", "tokenUrl")
	d.oneOf(node, present, path, "clientSecretEnv", "clientSecretFile")
	return &o
}

func (d *decoder) tls(path string, node *yaml.Node) TLS {
	var t TLS
	present := d.mapping(path, node, []field{
		{name: "caFile", read: d.text(&t.CAFile)},
		{name: "certFile", read: d.text(&t.CertFile)},
		{name: "keyFile", read: d.text(&t.KeyFile)},
		{name: "serverName", read: d.text(&t.ServerName)},
		{name: "insecureSkipVerify", advice: adviceInsecure},
	})
	for one, other := range map[string]string{"certFile": "keyFile", "keyFile": "certFile"} {
		if present[one] != nil && present[other] == nil {
			d.fault(present[one], fmt.Sprintf("reading %s: %s without %s", path, one, other), "a client certificate needs both")
		}
	}
	return t
}

// url reads a URL of one of the schemes, without a secret in it. What comes
// from the environment is checked when it is known.
func (d *decoder) url(into *string, schemes ...string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		before := len(d.errs)
		d.expandable(into)(path, value)
		if len(d.errs) > before || strings.Contains(*into, "${") {
			return
		}
		address, err := url.Parse(*into)
		if err != nil || address.Hostname() == "" || !slices.Contains(schemes, address.Scheme) {
			d.fault(value, "reading "+path+": not a URL of the scheme "+strings.Join(schemes, " or "), "write it with its scheme, such as http://prometheus.monitoring:9090")
			return
		}
		if _, secret := address.User.Password(); secret {
			d.fault(value, "reading "+path+": it holds a password", "a secret does not belong in a file: use basicAuth, or ${env.NAME} for the whole URL")
		}
	}
}

func (d *decoder) partial(allow *bool) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		switch value.Value {
		case "accept":
			*allow = true
		case "reject":
		default:
			d.fault(value, "reading "+path+": neither reject nor accept", "write reject, which is the default, or accept to judge answers that lack some of the data")
		}
	}
}

// secretHeaders are refused with a value that stands in the file.
var secretHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token"}

// headers reads headers, each a text or the file that it stands in.
func (d *decoder) headers(s *Settings, path string, value *yaml.Node) {
	texts := &yaml.Node{Kind: value.Kind, Tag: value.Tag, Value: value.Value, Line: value.Line, Column: value.Column}
	if value.Kind != yaml.MappingNode {
		texts.Content = value.Content
	}
	for i := 0; value.Kind == yaml.MappingNode && i+1 < len(value.Content); i += 2 {
		key, entry := value.Content[i], resolve(value.Content[i+1])
		if entry.Kind != yaml.MappingNode {
			texts.Content = append(texts.Content, key, entry)
			continue
		}
		var file string
		d.header(path+"."+key.Value, key, entry)
		present := d.mapping(path+"."+key.Value, entry, []field{{name: "file", read: d.text(&file)}})
		d.required(entry, present, path+"."+key.Value, "file")
		if s.HeaderFiles == nil {
			s.HeaderFiles = map[string]string{}
		}
		s.HeaderFiles[key.Value] = file
	}
	d.table(&s.Headers, d.header)(path, texts)
}

// header checks one header before it is read.
func (d *decoder) header(path string, key, value *yaml.Node) {
	name := http.CanonicalHeaderKey(key.Value)
	switch {
	case strings.ContainsFunc(key.Value, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?={}`, r) }) || name == "":
		d.fault(key, "reading "+strings.TrimSuffix(path, "."+key.Value)+": a name that no header can have", "letters, digits and hyphens make a name, such as X-Scope-OrgID")
	case name == "Host" || name == "Content-Length" || name == "Transfer-Encoding":
		d.fault(key, "reading "+path+": it cannot be set", "the URL decides about it")
	case slices.Contains(secretHeaders, name) && value.Kind == yaml.ScalarNode && !strings.Contains(value.Value, "${env."):
		d.fault(value, "reading "+path+": its value stands in the file", "a secret does not belong in a file: write ${env.NAME} or {file: PATH}, or use basicAuth, bearer or oauth2")
	}
}

func (d *decoder) exclusive(present map[string]*yaml.Node, path string, names ...string) {
	first := ""
	for _, name := range names {
		switch {
		case present[name] == nil:
		case first == "":
			first = name
		default:
			d.fault(present[name], fmt.Sprintf("reading %s: %s and %s exclude each other", path, first, name), "keep one of them")
		}
	}
}

func (d *decoder) required(node *yaml.Node, present map[string]*yaml.Node, path string, names ...string) {
	for _, name := range names {
		if present[name] == nil && node.Kind == yaml.MappingNode {
			d.fault(node, "reading "+path+": it has no "+name, "add it")
		}
	}
}

// oneOf wants exactly one of the keys.
func (d *decoder) oneOf(node *yaml.Node, present map[string]*yaml.Node, path string, names ...string) {
	refused := slices.ContainsFunc([]string{"password", "token", "clientSecret"}, func(name string) bool { return present[name] != nil })
	some := slices.ContainsFunc(names, func(name string) bool { return present[name] != nil })
	if !some && !refused && node.Kind == yaml.MappingNode {
		d.fault(node, "reading "+path+": it says nowhere where the secret is", "add "+strings.Join(names, " or "))
	}
	d.exclusive(present, path, names...)
}

func hasHeader(headers map[string]string, name string) bool {
	for key := range headers {
		if http.CanonicalHeaderKey(key) == name {
			return true
		}
	}
	return false
}

// meantForAPIServer are headers that a Kubernetes API server acts on itself.
func meantForAPIServer(name string) bool {
	name = http.CanonicalHeaderKey(name)
	return name == "Authorization" || name == "Cookie" || name == "Proxy-Authorization" || strings.HasPrefix(name, "Impersonate-")
}
