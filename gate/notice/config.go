package notice

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/rolloutgate/rolloutgate/analysis"
)

// Kind is a way in which people are told.
type Kind struct {
	// Name is its key in the config file.
	Name string
	// parse reads its settings. Mistakes are left with the decoder.
	parse func(d *decoder, path string, node *yaml.Node) settings
}

// settings of one kind, in which secrets are only named.
type settings interface {
	// open reads the secrets.
	open(r *resolver) sender
}

// sender writes a message down in the way of its kind, and sends it. It returns when ctx ends.
type sender interface {
	send(ctx context.Context, m Message) error
}

// Kinds are all of them. A new one is one file of this package and one row here.
func Kinds() []Kind {
	return []Kind{slackKind(), teamsKind(), webhookKind(), emailKind()}
}

// Config is one entry of notify: whom to tell, and of what.
type Config struct {
	Name string // for errors: notify[0] (slack)
	On   []Occasion

	settings settings
	file     string
	line     int
}

// defaultOn is what people are told of who have not said it: what they may have to act on.
func defaultOn() []Occasion { return []Occasion{Failed, Undone, ApprovalNeeded} }

// Parse reads the list below notify:. The error joins an [*analysis.SpecError] for each mistake.
func Parse(file string, node *yaml.Node) ([]Config, error) { return parse(file, node, Kinds()) }

func parse(file string, node *yaml.Node, kinds []Kind) ([]Config, error) {
	d := &decoder{file: file}
	node = resolve(node)
	if node.Kind != yaml.SequenceNode {
		d.fault(node, "reading notify: not a list", "write one entry for each place: - slack: {urlEnv: SLACK_WEBHOOK}")
		return nil, errors.Join(d.errs...)
	}
	var all []Config
	for i, item := range node.Content {
		all = append(all, d.entry(fmt.Sprintf("notify[%d]", i), resolve(item), kinds))
	}
	if len(d.errs) > 0 {
		return nil, errors.Join(d.errs...)
	}
	return all, nil
}

func (d *decoder) entry(path string, node *yaml.Node, kinds []Kind) Config {
	c := Config{On: defaultOn(), file: d.file, line: node.Line}
	var names, on []string
	readOn := func(path string, value *yaml.Node) {
		d.texts(&on)(path, value)
		c.On = nil
		for _, word := range on {
			d.oneOf(path, value, word, occasionWords())
			c.On = append(c.On, Occasion(word))
		}
	}
	var fields []field
	for _, k := range kinds {
		names = append(names, k.Name)
		fields = append(fields, field{k.Name, func(path string, value *yaml.Node) {
			c.Name = path[:strings.LastIndex(path, ".")] + " (" + k.Name + ")"
			c.settings = k.parse(d, path, value)
		}})
	}
	before := len(d.errs)
	present := d.mapping(path, node, append(fields, field{"on", readOn}))
	present = slices.DeleteFunc(present, func(key string) bool { return !slices.Contains(names, key) })
	switch {
	case len(present) == 1 || len(present) == 0 && len(d.errs) > before:
	case len(present) == 0:
		d.fault(node, "reading "+path+": it says nowhere whom to tell", "add one of "+strings.Join(names, ", "))
	default:
		d.fault(node, "reading "+path+": "+strings.Join(present, " and ")+" exclude each other", "write an entry for each of them")
	}
	return c
}

func occasionWords() []string {
	var words []string
	for _, o := range Occasions() {
		words = append(words, string(o))
	}
	return words
}

// Receiver is one whom messages can be sent to.
type Receiver struct {
	Name   string
	On     []Occasion
	sender sender
}

// Open reads the secrets that the entries name. A variable that is not set and a file that cannot be read are errors with the
// place in the config file; nothing is sent yet.
func Open(entries []Config, getenv func(string) string) ([]Receiver, error) {
	var all []Receiver
	var errs []error
	for _, c := range entries {
		r := &resolver{getenv: getenv, name: c.Name}
		s := c.settings.open(r)
		for _, f := range r.faults {
			errs = append(errs, &analysis.SpecError{File: c.file, Line: c.line, Text: "reading " + c.Name + ": " + f.text, Hint: f.hint})
		}
		all = append(all, Receiver{Name: c.Name, On: c.On, sender: s})
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return all, nil
}
