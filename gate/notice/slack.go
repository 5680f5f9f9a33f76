package notice

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// The limits of Slack's blocks, in characters of what is sent.
const (
	slackHeader = 150
	slackText   = 3000
	slackBlocks = 50
)

// slackKind sends to an incoming webhook of Slack, or of what takes the same body.
func slackKind() Kind {
	return Kind{Name: "slack", parse: func(d *decoder, path string, node *yaml.Node) settings {
		return slackSettings{d.webhookURL(path, node)}
	}}
}

type slackSettings struct{ url named }

func (s slackSettings) open(r *resolver) sender {
	return slackSender{r.poster(r.url(s.url, ""), "")}
}

type slackSender struct{ poster }

func (s slackSender) send(ctx context.Context, m Message) error {
	body, err := json.Marshal(slackBody(m))
	if err != nil {
		return err
	}
	return s.post(ctx, body, http.Header{})
}

type slackMessage struct {
	Text        string       `json:"text"` // of the notification
	Blocks      []slackBlock `json:"blocks"`
	UnfurlLinks bool         `json:"unfurl_links"`
	UnfurlMedia bool         `json:"unfurl_media"`
}

type slackBlock struct {
	Type     string        `json:"type"`
	Text     *slackObject  `json:"text,omitempty"`     // of header and section
	Elements []slackObject `json:"elements,omitempty"` // of context
}

// slackObject is text. What comes from a cluster stands in plain_text, in which nothing but &, < and > means anything.
type slackObject struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

func slackPlain(text string, most int) *slackObject {
	return &slackObject{"plain_text", escapeSlack(text, most)}
}

func slackBody(m Message) slackMessage {
	out := slackMessage{
		Text: escapeSlack(m.Sign()+" "+m.Title+": "+m.Text, slackText),
		Blocks: []slackBlock{
			{Type: "header", Text: slackPlain(m.Sign()+" "+m.Title, slackHeader)},
			{Type: "section", Text: slackPlain(m.Text, slackText)},
		},
	}
	for _, p := range m.paragraphs() {
		out.Blocks = append(out.Blocks,
			slackBlock{Type: "section", Text: &slackObject{"mrkdwn", "*" + p.heading + "*"}}, // a word of ours
			slackBlock{Type: "section", Text: slackPlain(strings.Join(p.numberedLines(), "\n"), slackText)})
	}
	var facts []string
	for _, f := range m.Facts {
		facts = append(facts, f.Name+": "+f.Value)
	}
	if len(facts) > 0 {
		out.Blocks = append(out.Blocks, slackBlock{Type: "context", Elements: []slackObject{*slackPlain(strings.Join(facts, "\n"), slackText)}})
	}
	if m.Link != "" {
		// The link is a URL, so that it has no < and >; a bar would end it.
		to := strings.ReplaceAll(escapeSlack(m.Link, slackText-50), "|", "%7C")
		out.Blocks = append(out.Blocks, slackBlock{Type: "section", Text: &slackObject{"mrkdwn", "<" + to + "|Open the pipeline>"}})
	}
	out.Blocks = out.Blocks[:min(len(out.Blocks), slackBlocks)]
	return out
}

// escapeSlack makes text one in which nobody is mentioned and nothing is linked, and cuts it so that it has at most so many
// characters when it is escaped.
func escapeSlack(text string, most int) string {
	var b strings.Builder
	n := 0
	for _, r := range text {
		escaped := string(r)
		switch r {
		case '&':
			escaped = "&amp;"
		case '<':
			escaped = "&lt;"
		case '>':
			escaped = "&gt;"
		}
		size := utf8.RuneCountInString(escaped)
		if n+size > most {
			return cutLast(b.String()) + "…"
		}
		n += size
		b.WriteString(escaped)
	}
	return b.String()
}

// cutLast takes the last character off, which may be an escaped one.
func cutLast(text string) string {
	for _, entity := range []string{"&amp;", "&lt;", "&gt;"} {
		if rest, ok := strings.CutSuffix(text, entity); ok {
			return rest
		}
	}
	_, size := utf8.DecodeLastRuneInString(text)
	return text[:len(text)-size]
}
