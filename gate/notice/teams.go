package notice

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/gate/report"
)

// teamsSize is how large a message of Teams may be, in bytes.
const teamsSize = 28 << 10

// teamsKind sends an Adaptive Card to a workflow of Teams ("When a Teams webhook request is received").
func teamsKind() Kind {
	return Kind{Name: "teams", parse: func(d *decoder, path string, node *yaml.Node) settings {
		return teamsSettings{d.webhookURL(path, node)}
	}}
}

type teamsSettings struct{ url named }

func (s teamsSettings) open(r *resolver) sender {
	return teamsSender{r.poster(r.url(s.url, ""), "")}
}

type teamsSender struct{ poster }

func (s teamsSender) send(ctx context.Context, m Message) error {
	body, err := teamsBody(m)
	if err != nil {
		return err
	}
	return s.post(ctx, body, http.Header{})
}

type teamsMessage struct {
	Type        string            `json:"type"`
	Attachments []teamsAttachment `json:"attachments"`
}

type teamsAttachment struct {
	ContentType string    `json:"contentType"`
	Content     teamsCard `json:"content"`
}

type teamsCard struct {
	Schema       string         `json:"$schema"`
	Type         string         `json:"type"`
	Version      string         `json:"version"`
	FallbackText string         `json:"fallbackText"`
	MSTeams      teamsWidth     `json:"msteams"`
	Body         []teamsElement `json:"body"`
	Actions      []teamsAction  `json:"actions,omitempty"`
}

type teamsWidth struct {
	Width string `json:"width"`
}

// teamsElement is a TextBlock or a FactSet.
type teamsElement struct {
	Type    string      `json:"type"`
	Text    string      `json:"text,omitempty"`
	Wrap    bool        `json:"wrap,omitempty"`
	Size    string      `json:"size,omitempty"`
	Weight  string      `json:"weight,omitempty"`
	Color   string      `json:"color,omitempty"`
	Spacing string      `json:"spacing,omitempty"`
	Facts   []teamsFact `json:"facts,omitempty"`
}

type teamsFact struct {
	Title string `json:"title"`
	Value string `json:"value"`
}

type teamsAction struct {
	Type  string `json:"type"`
	Title string `json:"title"`
	URL   string `json:"url"`
}

// teamsBody is the message in a card that is small enough.
func teamsBody(m Message) ([]byte, error) {
	return sized(teamsSize, func(longest int) ([]byte, error) {
		var b bytes.Buffer
		encoder := json.NewEncoder(&b)
		encoder.SetEscapeHTML(false) // six bytes for each < would be lost
		err := encoder.Encode(teamsMessage{Type: "message", Attachments: []teamsAttachment{
			{ContentType: "application/vnd.microsoft.card.adaptive", Content: card(m, longest)},
		}})
		return b.Bytes(), err
	})
}

// card says the message in texts of at most so many characters.
func card(m Message, longest int) teamsCard {
	text := func(s string) string { return escapeTeams(report.Sanitize(s, 1, longest)) }
	c := teamsCard{
		Schema: "http://adaptivecards.io/schemas/adaptive-card.json", Type: "AdaptiveCard", Version: "1.4",
		FallbackText: text(m.Title), MSTeams: teamsWidth{"Full"},
		Body: []teamsElement{
			{Type: "TextBlock", Text: m.Sign() + " " + text(m.Title), Wrap: true, Size: "Large", Weight: "Bolder", Color: teamsColor(m.Concern)},
			{Type: "TextBlock", Text: text(m.Text), Wrap: true},
		},
	}
	for _, p := range m.paragraphs() {
		c.Body = append(c.Body, teamsElement{Type: "TextBlock", Text: p.heading, Weight: "Bolder", Spacing: "Medium"})
		for _, line := range p.numberedLines() {
			c.Body = append(c.Body, teamsElement{Type: "TextBlock", Text: text(line), Wrap: true, Spacing: "Small"})
		}
	}
	facts := teamsElement{Type: "FactSet", Spacing: "Medium"}
	for _, f := range m.Facts {
		facts.Facts = append(facts.Facts, teamsFact{f.Name, text(f.Value)})
	}
	if len(facts.Facts) > 0 {
		c.Body = append(c.Body, facts)
	}
	if m.Link != "" {
		c.Actions = []teamsAction{{Type: "Action.OpenUrl", Title: "Open the pipeline", URL: m.Link}}
	}
	return c
}

func teamsColor(c report.Concern) string {
	return map[report.Concern]string{report.Fine: "Good", report.Doubtful: "Warning", report.Alarming: "Attention"}[c]
}

// escapeTeams makes text plain words in the Markdown of a card: no emphasis, no links, no lists, no headings. A number with a
// dot would begin a list of its own, which counts anew.
func escapeTeams(text string) string {
	text = strings.NewReplacer(
		`\`, `\\`, "`", "\\`", "*", `\*`, "_", `\_`, "~", `\~`, "[", `\[`, "]", `\]`, "#", `\#`, "<", "&lt;", ">", "&gt;", "&", "&amp;",
	).Replace(text)
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	if rest := text[digits:]; digits > 0 && (strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, ")")) {
		return text[:digits] + `\` + rest
	}
	if strings.HasPrefix(text, "-") || strings.HasPrefix(text, "+") || strings.HasPrefix(text, "=") {
		return `\` + text
	}
	return text
}
