package notice

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"html"
	"net"
	netmail "net/mail"
	"net/textproto"
	"strings"
	"time"

	"github.com/wneessen/go-mail"
	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// The words for how a connection to a mail server is protected.
const (
	tlsStart = "starttls" // first in the clear; the server has to offer it
	tlsAll   = "tls"      // from the first byte
	tlsNone  = "none"     // for a server on the same machine
)

// maxSubject is the length of a mail's subject, in characters.
const maxSubject = 120

// emailKind sends a mail by a server that takes mail of users.
func emailKind() Kind {
	return Kind{Name: "email", parse: func(d *decoder, path string, node *yaml.Node) settings {
		s := emailSettings{tls: tlsStart}
		fields := []field{
			{"host", d.text(&s.host)}, {"port", d.port(&s.port)}, {"tls", d.word(&s.tls, tlsStart, tlsAll, tlsNone)},
			{"from", d.address(&s.from)}, {"to", d.addresses(&s.to)},
		}
		fields = append(append(fields, d.named("username", &s.username)...), d.named("password", &s.password)...)
		before := len(d.errs)
		present := d.mapping(path, node, append(fields, field{"caFile", d.text(&s.caFile)}))
		for _, key := range []struct {
			name    string
			missing bool
		}{{"host", s.host == ""}, {"from", s.from == ""}, {"to", len(s.to) == 0}} {
			if key.missing && len(d.errs) == before {
				d.fault(node, "reading "+path+": the key "+key.name+" is missing", "an email needs host, from and to")
			}
		}
		d.atMostOne(path, node, present, "usernameEnv", "usernameFile")
		d.atMostOne(path, node, present, "passwordEnv", "passwordFile")
		switch {
		case s.username.isSet() != s.password.isSet():
			d.fault(node, "reading "+path+": a user name and a password belong together", "set usernameEnv and passwordEnv, or none of them")
		case s.password.isSet() && s.tls == tlsNone:
			d.fault(node, "reading "+path+": a password without TLS could be read by everybody", "set tls to starttls or tls")
		}
		return s
	}}
}

func (d *decoder) address(into *string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		d.text(into)(path, value)
		d.isAddress(path, value, *into)
	}
}

func (d *decoder) addresses(into *[]string) func(string, *yaml.Node) {
	return func(path string, value *yaml.Node) {
		d.texts(into)(path, value)
		for _, text := range *into {
			d.isAddress(path, value, text)
		}
	}
}

func (d *decoder) isAddress(path string, at *yaml.Node, text string) {
	if _, err := netmail.ParseAddress(text); text != "" && err != nil {
		d.fault(at, "reading "+path+": not an address of a mailbox", "write it as deploy@example.com, or 'Deploys <deploy@example.com>'")
	}
}

type emailSettings struct {
	host               string
	port               int
	tls, caFile        string
	from               string
	to                 []string
	username, password named
}

func (s emailSettings) open(r *resolver) sender {
	return emailSender{
		emailSettings: s, config: r.tls(s.caFile), user: r.secret("username", s.username), pass: r.secret("password", s.password),
	}
}

type emailSender struct {
	emailSettings
	config     *tls.Config
	user, pass string
}

func (s emailSender) send(ctx context.Context, m Message) error {
	message, err := s.mail(m)
	if err != nil {
		return &Error{Text: "writing the mail: " + s.printable(err.Error())}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, errors.New("no answer in time"))
	defer cancel()
	if err = s.deliver(ctx, message); err == nil || message.IsDelivered() {
		return nil // what a server says after it has taken the mail does not matter
	}
	if ctx.Err() != nil {
		return &Error{Text: unanswered(ctx, ""), Temporary: true}
	}
	var network *net.OpError
	var refused *mail.SendError
	var said *textproto.Error
	temporary := errors.As(err, &network) || errors.As(err, &refused) && refused.IsTemp() || errors.As(err, &said) && said.Code < 500
	return &Error{Text: s.printable(err.Error()), Temporary: temporary}
}

func (s emailSender) printable(text string) string {
	text = strings.Join(strings.Fields(report.Sanitize(text, 0, 0)), " ")
	return report.Sanitize(secrets{s.user, s.pass}.hide(text), 1, 300)
}

// deliver talks to the server. The end of ctx ends the connection, whatever is awaited on it.
func (s emailSender) deliver(ctx context.Context, message *mail.Msg) error {
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		dialer := &net.Dialer{}
		if s.tls == tlsAll {
			return (&tls.Dialer{NetDialer: dialer, Config: s.ofHost()}).DialContext(ctx, network, address)
		}
		return dialer.DialContext(ctx, network, address)
	}
	var conn net.Conn
	options := []mail.Option{
		mail.WithPort(cmp.Or(s.port, map[string]int{tlsStart: 587, tlsAll: 465, tlsNone: 25}[s.tls])), mail.WithTimeout(time.Minute),
		mail.WithTLSConfig(s.ofHost()), mail.WithTLSPolicy(map[string]mail.TLSPolicy{
			tlsStart: mail.TLSMandatory,
			tlsAll:   mail.TLSOpportunistic, // it is on already, and the library looks at the connection only with this
			tlsNone:  mail.NoTLS,
		}[s.tls]),
		mail.WithDialContextFunc(func(dialing context.Context, network, address string) (net.Conn, error) {
			var err error
			if conn, err = dial(dialing, network, address); err != nil {
				return nil, err
			}
			context.AfterFunc(ctx, func() { conn.Close() })
			return conn, nil
		}),
	}
	if s.user != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(s.user), mail.WithPassword(s.pass))
	}
	client, err := mail.NewClient(s.host, options...)
	if err != nil {
		return err
	}
	connection, err := client.DialToSMTPClientWithContext(ctx)
	if conn != nil {
		defer conn.Close()
	}
	if err != nil {
		return err
	}
	err = client.SendWithSMTPClient(connection, message)
	if err == nil {
		_ = client.CloseWithSMTPClient(connection)
	}
	return err
}

// ofHost demands a certificate of the server that was named.
func (s emailSender) ofHost() *tls.Config {
	config := s.config.Clone()
	config.ServerName = s.host
	return config
}

// mail is a message as plain text and as HTML, of which a reader shows one.
func (s emailSender) mail(m Message) (*mail.Msg, error) {
	message := mail.NewMsg(mail.WithNoDefaultUserAgent())
	if err := errors.Join(message.From(s.from), message.To(s.to...)); err != nil {
		return nil, err
	}
	message.Subject(report.Sanitize(m.Sign()+" "+m.Title, 1, maxSubject))
	message.SetDateWithValue(time.Now())
	message.SetMessageID()
	message.SetGenHeader("Auto-Submitted", "auto-generated") // so that no absence is told to a pipeline
	message.SetBodyString(mail.TypeTextPlain, plainMail(m))
	message.AddAlternativeString(mail.TypeTextHTML, htmlMail(m))
	return message, nil
}

func plainMail(m Message) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%s\n", m.Title, m.Text)
	for _, p := range m.paragraphs() {
		fmt.Fprintf(&b, "\n%s:\n", p.heading)
		for _, text := range p.numberedLines() {
			fmt.Fprintf(&b, "  %s\n", text)
		}
	}
	b.WriteString("\n")
	for _, f := range m.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if m.Link != "" {
		fmt.Fprintf(&b, "Pipeline: %s\n", m.Link)
	}
	return b.String()
}

// htmlMail has no styles but a few of its own elements, which is what mail programs show alike.
func htmlMail(m Message) string {
	var b strings.Builder
	e := html.EscapeString
	color := map[report.Concern]string{report.Fine: "#1a7f37", report.Doubtful: "#9a6700", report.Alarming: "#cf222e"}[m.Concern]
	fmt.Fprintf(&b, "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body style=\"font-family:sans-serif\">\n")
	fmt.Fprintf(&b, "<h2 style=\"color:%s\">%s</h2>\n<p><b>%s</b></p>\n", color, e(m.Title), e(m.Text))
	for _, p := range m.paragraphs() {
		list := "ul"
		if p.numbered {
			list = "ol"
		}
		fmt.Fprintf(&b, "<h3>%s</h3>\n<%s>\n", e(p.heading), list)
		for _, text := range p.lines {
			fmt.Fprintf(&b, "<li>%s</li>\n", e(text))
		}
		fmt.Fprintf(&b, "</%s>\n", list)
	}
	b.WriteString("<table>\n")
	for _, f := range m.Facts {
		fmt.Fprintf(&b, "<tr><td>%s</td><td>%s</td></tr>\n", e(f.Name), e(f.Value))
	}
	b.WriteString("</table>\n")
	if m.Link != "" {
		fmt.Fprintf(&b, "<p><a href=\"%s\">Open the pipeline</a></p>\n", e(m.Link))
	}
	b.WriteString("</body></html>\n")
	return b.String()
}
