package notice

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/rolloutgate/rolloutgate/gate"
)

func pemOf(certificate []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: certificate})
}

// certificate is one for localhost, and the file that it is in.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pemOf(raw), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, file
}

// mailbox is a real mail server on this machine, and what it has taken.
type mailbox struct {
	port     int
	password string // empty: it takes mail of everybody
	refuse   error  // of a recipient
	mu       sync.Mutex
	mails    []taken
}

type taken struct {
	from string
	to   []string
	data []byte
}

func newMailbox(t *testing.T, mode string, cert tls.Certificate, m *mailbox) *mailbox {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	m.port = l.Addr().(*net.TCPAddr).Port
	s := smtp.NewServer(m)
	s.Domain, s.ErrorLog = "localhost", discard{}
	config := &tls.Config{Certificates: []tls.Certificate{cert}}
	switch mode {
	case tlsStart:
		s.TLSConfig = config
	case tlsAll:
		l = tls.NewListener(l, config)
	}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return m
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) {
	return &session{mailbox: m, known: m.password == ""}, nil
}

type session struct {
	*mailbox
	known bool
	mail  taken
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "ann@example.com" || password != s.password {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "no access with " + password} // as careless as some servers are
		}
		s.known = true
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	if !s.known {
		return smtp.ErrAuthRequired
	}
	s.mail.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.mail.to = append(s.mail.to, to)
	return s.refuse
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	s.mail.data = data
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, s.mail)
	return err
}

func (s *session) Reset()        {}
func (s *session) Logout() error { return nil }

// mailer is the receiver for a server on this machine.
func mailer(t *testing.T, port int, more string, env map[string]string) Receiver {
	t.Helper()
	return receivers(t, "notify:\n- email: {host: localhost, port: "+strconv.Itoa(port)+", from: 'Deploys <deploy@example.com>', to: [ops@example.com, dev@example.com], "+more+"}", env)[0]
}

// TestMail sends by real servers, protected in each way, and reads what they got with other code than wrote it.
func TestMail(t *testing.T) {
	cert, ca := certificate(t)
	env := map[string]string{"USER": "ann@example.com", "PASSWORD": "open sesame"}
	credentials := ", usernameEnv: USER, passwordEnv: PASSWORD"
	m := messages(t)["failed-image"]
	for name, test := range map[string]struct{ mode, password, more string }{
		"starttls and password": {tlsStart, "open sesame", "caFile: " + ca + credentials},
		"tls and password":      {tlsAll, "open sesame", "tls: tls, caFile: " + ca + credentials},
		"starttls":              {tlsStart, "", "caFile: " + ca},
		"none":                  {tlsNone, "", "tls: none"},
	} {
		t.Run(name, func(t *testing.T) {
			box := newMailbox(t, test.mode, cert, &mailbox{password: test.password})
			if err := mailer(t, box.port, test.more, env).Send(within(t, 10*time.Second), m); err != nil {
				t.Fatal(err)
			}
			box.mu.Lock()
			defer box.mu.Unlock()
			if len(box.mails) != 1 {
				t.Fatalf("%d mails", len(box.mails))
			}
			checkMail(t, box.mails[0], m)
		})
	}
}

func checkMail(t *testing.T, got taken, m Message) {
	t.Helper()
	if got.from != "deploy@example.com" || fmt.Sprint(got.to) != "[ops@example.com dev@example.com]" {
		t.Errorf("from %s to %s", got.from, got.to)
	}
	read, err := netmail.ReadMessage(bytes.NewReader(got.data))
	if err != nil {
		t.Fatal(err)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(read.Header.Get("Subject"))
	if err != nil || subject != "❌ deployment/web in shop failed and was undone" {
		t.Errorf("subject %q, %v", subject, err)
	}
	if read.Header.Get("From") != `"Deploys" <deploy@example.com>` || read.Header.Get("Date") == "" || read.Header.Get("Message-ID") == "" || read.Header.Get("Auto-Submitted") != "auto-generated" {
		t.Errorf("the header is %v", read.Header)
	}
	kind, parameters, err := mime.ParseMediaType(read.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := multipart.NewReader(read.Body, parameters["boundary"])
	for _, want := range []struct{ kind, text string }{{"text/plain", plainMail(m)}, {"text/html", htmlMail(m)}} {
		part, err := parts.NextRawPart()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(part))
		if got := strings.ReplaceAll(string(text), "\r\n", "\n"); err != nil || strings.TrimSpace(got) != strings.TrimSpace(want.text) || !strings.HasPrefix(part.Header.Get("Content-Type"), want.kind) {
			t.Errorf("%v, part %s:\n%s", err, part.Header, got)
		}
	}
	if _, err := parts.NextRawPart(); err != io.EOF {
		t.Errorf("there is another part: %v", err)
	}
}

// TestMailThatIsNotSent: each error says why, has no password, and comes in time.
func TestMailThatIsNotSent(t *testing.T) {
	cert, ca := certificate(t)
	env := map[string]string{"USER": "ann@example.com", "PASSWORD": "wrong sesame"}
	m := messages(t)["failed-image"]
	silent, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	greets, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { greets.Close() })
	go func() {
		for {
			c, err := greets.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { c.Close() })
			fmt.Fprint(c, "220 localhost\r\n")
		}
	}()
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	temporary := &smtp.SMTPError{Code: 451, EnhancedCode: smtp.EnhancedCode{4, 7, 1}, Message: "come back later"}
	forGood := &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "nobody of that name"}
	for name, test := range map[string]struct {
		port       int
		more, want string
		outcome    gate.Outcome
	}{
		"wrong password":         {newMailbox(t, tlsStart, cert, &mailbox{password: "open sesame"}).port, "usernameEnv: USER, passwordEnv: PASSWORD, caFile: " + ca, "AUTH failed", gate.Invalid},
		"unknown certificate":    {newMailbox(t, tlsStart, cert, &mailbox{}).port, "tls: starttls", "certificate", gate.Invalid},
		"no STARTTLS":            {newMailbox(t, tlsNone, cert, &mailbox{}).port, "caFile: " + ca, "does not support STARTTLS", gate.Invalid},
		"unknown mailbox":        {newMailbox(t, tlsNone, cert, &mailbox{refuse: forGood}).port, "tls: none", "nobody of that name", gate.Invalid},
		"greylisted":             {newMailbox(t, tlsNone, cert, &mailbox{refuse: temporary}).port, "tls: none", "come back later", gate.Retry},
		"nobody listens":         {nobody(t), "tls: none", "connection refused", gate.Retry},
		"hangs":                  {port(silent), "tls: none", "it took too long", gate.Retry},
		"hangs in the handshake": {port(silent), "tls: tls", "it took too long", gate.Retry},
		"hangs after greeting":   {port(greets), "tls: starttls", "it took too long", gate.Retry},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := 10 * time.Second
			if strings.HasPrefix(name, "hangs") {
				limit = 300 * time.Millisecond
			}
			err := mailer(t, test.port, test.more, env).Send(within(t, limit), m)
			var own *Error
			if !strings.Contains(fmt.Sprint(err), test.want) || !errors.As(err, &own) || strings.Contains(own.Text, "\n") {
				t.Errorf("%v does not say %q", err, test.want)
			}
			if strings.Contains(fmt.Sprint(err), "sesame") {
				t.Errorf("%v has the password", err)
			}
			if o := gate.OutcomeOf(err); o != test.outcome {
				t.Errorf("the outcome is %s, want %s", o, test.outcome)
			}
		})
	}
}

// TestSubjectIsOneLine: a text of the cluster adds no header to a mail.
func TestSubjectIsOneLine(t *testing.T) {
	cert, _ := certificate(t)
	box := newMailbox(t, tlsNone, cert, &mailbox{})
	m := messages(t)["failed-image"]
	m.Title = "web\r\nBcc: all@example.com\r\n\r\nbody " + strings.Repeat("x", 500)
	if err := mailer(t, box.port, "tls: none", nil).Send(within(t, 10*time.Second), m); err != nil {
		t.Fatal(err)
	}
	read, err := netmail.ReadMessage(bytes.NewReader(box.mails[0].data))
	if err != nil {
		t.Fatal(err)
	}
	if read.Header.Get("Bcc") != "" || len(box.mails[0].to) != 2 {
		t.Errorf("the header is %v", read.Header)
	}
}

// nobody is a port on which nobody listens.
func nobody(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	return l.Addr().(*net.TCPAddr).Port
}
