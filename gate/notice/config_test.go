package notice

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// parseText reads the list below notify: as a config file has it.
func parseText(t *testing.T, text string, kinds []Kind) ([]Config, error) {
	t.Helper()
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		t.Fatal(err)
	}
	return parse("rolloutgate.yaml", document.Content[0].Content[1], kinds)
}

// receivers are those of a config that has no mistake.
func receivers(t *testing.T, text string, env map[string]string) []Receiver {
	t.Helper()
	entries, err := parseText(t, text, Kinds())
	if err != nil {
		t.Fatal(err)
	}
	all, err := Open(entries, func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestConfig(t *testing.T) {
	all := receivers(t, `notify:
- slack: {urlEnv: SLACK}
- teams: {urlEnv: SLACK}
  on: [passed, earlyWarning]
- webhook: {url: "http://hooks.example/x", secretEnv: SECRET}
  on: failed
- email: {host: mail.example, from: "Deploys <deploy@example.com>", to: [ops@example.com, dev@example.com]}
`, map[string]string{"SLACK": "https://hooks.example/services/T0/B0/XXXXXXXX", "SECRET": "wonderland"})
	var got []string
	for _, r := range all {
		got = append(got, fmt.Sprint(r.Name, " ", r.On))
	}
	want := []string{
		"notify[0] (slack) [failed undone approvalNeeded]", "notify[1] (teams) [passed earlyWarning]", "notify[2] (webhook) [failed]",
		"notify[3] (email) [failed undone approvalNeeded]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	mail := all[3].sender.(emailSender)
	if mail.tls != tlsStart || len(mail.to) != 2 {
		t.Errorf("the mail is %+v", mail.emailSettings)
	}
}

func TestMistakesInTheConfig(t *testing.T) {
	for text, wants := range map[string][]string{
		"notify: {slack: {urlEnv: A}}":                                                                     {"rolloutgate.yaml:1:9: reading notify: not a list", "hint: write one entry"},
		"notify:\n- slakc: {urlEnv: A}":                                                                    {`rolloutgate.yaml:2:3: reading notify[0]: unknown key "slakc"`, `did you mean "slack"?`},
		"notify:\n- pigeon: {urlEnv: A}":                                                                   {`unknown key "pigeon"`, "known keys are slack, teams, webhook, email, on"},
		"notify:\n- slack: {urlenv: A}":                                                                    {`:2:11: reading notify[0].slack: unknown key "urlenv"`, `did you mean "urlEnv"?`},
		"notify:\n- slack: {url: 'https://hooks/SESAME'}":                                                  {":2:16: reading notify[0].slack.url: whoever has the address can write there", "urlEnv"},
		"notify:\n- slack: {}":                                                                             {"reading notify[0].slack: it says nowhere where the address is", "set urlEnv or urlFile"},
		"notify:\n- slack: {urlEnv: A, urlFile: b}":                                                        {"urlEnv and urlFile exclude each other"},
		"notify:\n- slack:":                                                                                {"reading notify[0].slack: not a mapping"},
		"notify:\n- on: [failed]":                                                                          {":2:3: reading notify[0]: it says nowhere whom to tell"},
		"notify:\n- slack: {urlEnv: A}\n  teams: {urlEnv: B}":                                              {"slack and teams exclude each other", "an entry for each"},
		"notify:\n- slack: {urlEnv: A}\n  on: [faild]":                                                     {":3:7: reading notify[0].on: unknown word", `did you mean "failed"?`},
		"notify:\n- slack: {urlEnv: A}\n  on: []":                                                          {":3:7: reading notify[0].on: not a list"},
		"notify:\n- slack: {urlEnv: A}\n  on: [undone]\n  on: [failed]":                                    {`the key "on" is there twice`},
		"notify:\n- webhook: {url: a, urlEnv: A}":                                                          {"url and urlEnv exclude each other"},
		"notify:\n- webhook: {url: a, secretEnv: A, secretFile: B}":                                        {"secretEnv and secretFile exclude each other"},
		"notify:\n- email: {host: mail.example, from: a@b.c}":                                              {"reading notify[0].email: the key to is missing"},
		"notify:\n- email: {host: mail.example, from: ops, to: [a@b.c]}":                                   {"reading notify[0].email.from: not an address of a mailbox"},
		"notify:\n- email: {host: mail.example, from: a@b.c, to: [a@b.c, 'x y']}":                          {"reading notify[0].email.to: not an address"},
		"notify:\n- email: {host: mail.example, port: 70000, from: a@b.c, to: [a@b.c]}":                    {"reading notify[0].email.port: not a port"},
		"notify:\n- email: {host: mail.example, tls: startls, from: a@b.c, to: [a@b.c]}":                   {"unknown word", `did you mean "starttls"?`},
		"notify:\n- email: {host: mail.example, usernameEnv: A, from: a@b.c, to: [a@b.c]}":                 {"a user name and a password belong together"},
		"notify:\n- email: {host: m, tls: none, usernameEnv: A, passwordEnv: B, from: a@b.c, to: [a@b.c]}": {"a password without TLS"},
	} {
		_, err := parseText(t, text, Kinds())
		if err == nil {
			t.Errorf("%s: no error", text)
			continue
		}
		for _, want := range wants {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s:\n%v\ndoes not say %q", text, err, want)
			}
		}
		if strings.Contains(err.Error(), "SESAME") || strings.Count(err.Error(), "hint:") > 1 && !strings.Contains(text, "x y") {
			t.Errorf("%s: one mistake, and the error is\n%v", text, err)
		}
	}
}

func TestMissingSecrets(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	entries, err := parseText(t, `notify:
- slack: {urlEnv: NOT_SET}
- teams: {urlFile: not-there}
- webhook: {urlFile: `+empty+`}
- webhook: {urlEnv: NO_URL}
- webhook: {url: "https://hooks.example", secretEnv: NOT_SET, caFile: `+empty+`}
- email: {host: mail.example, from: a@b.c, to: [a@b.c], usernameEnv: USER, passwordEnv: NOT_SET}
`, Kinds())
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(entries, func(name string) string {
		return map[string]string{"NO_URL": "hooks.example/SESAME", "USER": "me"}[name]
	})
	for _, want := range []string{
		"rolloutgate.yaml:2: reading notify[0] (slack): urlEnv: the environment variable NOT_SET is not set\n  hint: set it where this runs",
		"rolloutgate.yaml:3: reading notify[1] (teams): urlFile: no such file or directory: not-there",
		"rolloutgate.yaml:4: reading notify[2] (webhook): urlFile: the file is empty",
		"rolloutgate.yaml:5: reading notify[3] (webhook): url: not an http or https URL",
		"rolloutgate.yaml:6: reading notify[4] (webhook): secretEnv: the environment variable NOT_SET is not set",
		"rolloutgate.yaml:6: reading notify[4] (webhook): caFile: no certificate is in it",
		"rolloutgate.yaml:7: reading notify[5] (email): passwordEnv: the environment variable NOT_SET is not set",
	} {
		if !strings.Contains(fmt.Sprint(err), want) {
			t.Errorf("%v\ndoes not say %q", err, want)
		}
	}
	if strings.Contains(fmt.Sprint(err), "SESAME") {
		t.Errorf("%v has the address", err)
	}
}

// TestOneMoreKind adds one as CONTRIBUTING says: one function, one row.
func TestOneMoreKind(t *testing.T) {
	pigeon := &pigeon{}
	kinds := append(Kinds(), Kind{Name: "pigeon", parse: func(d *decoder, path string, node *yaml.Node) settings {
		d.mapping(path, node, []field{{"loft", d.text(&pigeon.loft)}})
		return pigeon
	}})
	entries, err := parseText(t, "notify:\n- pigeon: {loft: roof}\n  on: [passed]", kinds)
	if err != nil {
		t.Fatal(err)
	}
	all, err := Open(entries, os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	if err := send(t.Context(), all, OfReport(reports(t)["passed"])); err != nil || pigeon.loft != "roof" || pigeon.carried != "deployment/web in shop passed" {
		t.Errorf("%v, and the pigeon is %+v", err, pigeon)
	}
	if _, err = parseText(t, "notify:\n- pidgeon: {}", kinds); !strings.Contains(fmt.Sprint(err), `did you mean "pigeon"?`) {
		t.Error(err)
	}
}

type pigeon struct{ loft, carried string }

func (p *pigeon) open(*resolver) sender { return p }

func (p *pigeon) send(_ context.Context, m Message) error {
	p.carried = m.Title
	return nil
}
