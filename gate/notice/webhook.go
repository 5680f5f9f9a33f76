package notice

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The headers of a webhook. The signature is over the timestamp, a dot and the body.
const (
	HeaderTimestamp = "X-Rolloutgate-Timestamp"     // seconds since 1970
	HeaderSignature = "X-Rolloutgate-Signature-256" // sha256= and the HMAC in hexadecimal digits
	HeaderDelivery  = "X-Rolloutgate-Delivery"      // the id of the message
	HeaderOccasions = "X-Rolloutgate-Occasions"     // separated by commas; empty: a test
)

// webhookKind sends a Summary as JSON to a server of the user.
func webhookKind() Kind {
	return Kind{Name: "webhook", parse: func(d *decoder, path string, node *yaml.Node) settings {
		var s webhookSettings
		fields := append([]field{{"url", d.text(&s.plain)}}, d.named("url", &s.url)...)
		fields = append(fields, d.named("secret", &s.secret)...)
		before := len(d.errs)
		present := d.mapping(path, node, append(fields, field{"caFile", d.text(&s.caFile)}))
		d.exactlyOne(before, path, node, present, "url", "urlEnv", "urlFile")
		d.atMostOne(path, node, present, "secretEnv", "secretFile")
		return s
	}}
}

type webhookSettings struct {
	plain, caFile string
	url, secret   named
}

func (s webhookSettings) open(r *resolver) sender {
	secret := r.secret("secret", s.secret)
	return webhookSender{r.poster(r.url(s.url, s.plain), s.caFile, secret), secret}
}

type webhookSender struct {
	poster
	secret string // empty: not signed
}

func (s webhookSender) send(ctx context.Context, m Message) error {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(m.Summary); err != nil {
		return err
	}
	text := bytes.TrimSuffix(body.Bytes(), []byte("\n"))
	var occasions []string
	for _, o := range m.Occasions {
		occasions = append(occasions, string(o))
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	header := http.Header{}
	header.Set(HeaderDelivery, m.Summary.ID)
	header.Set(HeaderOccasions, strings.Join(occasions, ","))
	header.Set(HeaderTimestamp, timestamp)
	if s.secret != "" {
		header.Set(HeaderSignature, "sha256="+sign(s.secret, timestamp, text))
	}
	return s.post(ctx, text, header)
}

// sign is the HMAC of a timestamp and a body.
func sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// webhookURL reads the settings of a kind that has only an address, which is as good as a password: it is named, and never
// stands in the file.
func (d *decoder) webhookURL(path string, node *yaml.Node) named {
	var url named
	asText := field{"url", func(path string, value *yaml.Node) {
		d.fault(value, "reading "+path+": whoever has the address can write there, so that it must not stand in the file", "put it into a secret of the pipeline and name the variable: urlEnv")
	}}
	before := len(d.errs)
	present := d.mapping(path, node, append(d.named("url", &url), asText))
	d.exactlyOne(before, path, node, present, "urlEnv", "urlFile", "url")
	return url
}
