package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

//go:embed events.schema.json
var eventsSchema []byte

// EventsSchema returns the JSON Schema of a line that NDJSON writes.
func EventsSchema() []byte { return bytes.Clone(eventsSchema) }

// Stream writes what happens in a run while it goes on.
type Stream interface {
	Event(gate.Event) error
	// Finish writes what is left to say when the report is complete.
	Finish(gate.Report) error
}

// NDJSON writes the events of a run, each as JSON on a line of its own: run-started first, run-finished last. Of a run that
// is over it has the lines of the timeline.
func NDJSON(w io.Writer, r gate.Report) error {
	s := StreamNDJSON(w)
	for _, e := range append([]gate.Event{r.Started()}, timeline(r)...) {
		if err := s.Event(e); err != nil {
			return err
		}
	}
	return s.Finish(r)
}

// timeline are the lines of a run, those of several clusters in the order in which they happened.
func timeline(r gate.Report) []gate.Event {
	all := slices.Clone(r.Timeline)
	for _, c := range r.Clusters {
		for _, e := range append([]gate.Event{c.Report.Started()}, c.Report.Timeline...) {
			e.Cluster = c.Name
			all = append(all, e)
		}
	}
	if len(r.Clusters) > 0 {
		slices.SortStableFunc(all, func(a, b gate.Event) int { return a.Time.Compare(b.Time) })
	}
	return all
}

// StreamNDJSON writes the lines of NDJSON as the events come.
func StreamNDJSON(w io.Writer) Stream { return &ndjson{w: w} }

type ndjson struct {
	w     io.Writer
	begun bool
}

func (n *ndjson) Event(e gate.Event) error {
	n.begun = true
	line, err := eventJSON(e)
	if err == nil {
		_, err = n.w.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("writing an event as JSON: %w", err)
	}
	return nil
}

func (n *ndjson) Finish(r gate.Report) error {
	if !n.begun { // the run did not come to begin
		if err := n.Event(r.Started()); err != nil {
			return err
		}
	}
	for _, c := range r.Clusters {
		e := c.Report.Finished()
		e.Cluster = c.Name
		if err := n.Event(e); err != nil {
			return err
		}
	}
	return n.Event(r.Finished())
}

// eventJSON is one line: when, what kind of event, its name, which object, in words, and as values. Text of the cluster is
// sanitised. A line cannot be taken for a workflow command, for it begins with a brace.
func eventJSON(e gate.Event) ([]byte, error) {
	line := struct {
		Time    time.Time       `json:"time"`
		Type    gate.EventType  `json:"type"`
		Name    string          `json:"name,omitempty"`
		Cluster string          `json:"cluster,omitempty"`
		Object  manifest.Ref    `json:"object,omitzero"`
		Text    string          `json:"text"`
		Data    json.RawMessage `json:"data,omitempty"`
	}{Time: e.Time, Type: e.Type, Cluster: clean(e.Cluster), Object: presentable(reflect.ValueOf(e.Object)).Interface().(manifest.Ref), Text: clean(EventText(e))}
	if e.Payload != nil {
		var b bytes.Buffer
		if err := values(&b, reflect.ValueOf(e.Payload)); err != nil {
			return nil, err
		}
		line.Name, line.Data = lowerFirst(reflect.TypeOf(e.Payload).Name()), b.Bytes()
	}
	return marshal(line)
}

func lowerFirst(name string) string { return strings.ToLower(name[:1]) + name[1:] }

// marshal is JSON without the escapes that only a page of HTML needs.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimRight(b.Bytes(), "\n"), err
}

// values writes a payload by the tags of its fields, in their order: times as in the report, durations in seconds, outcomes
// by their names, text without anything that a terminal or a CI system would obey.
func values(b *bytes.Buffer, v reflect.Value) error {
	switch value := v.Interface().(type) {
	case time.Duration:
		b.WriteString(strconv.FormatFloat(value.Seconds(), 'f', -1, 64))
		return nil
	case gate.Outcome:
		return leaf(b, value.Name())
	case json.Marshaler:
		return leaf(b, value)
	}
	switch v.Kind() {
	case reflect.String:
		return leaf(b, clean(v.String()))
	case reflect.Float64:
		if f := v.Float(); math.IsNaN(f) || math.IsInf(f, 0) {
			return leaf(b, 0)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return leaf(b, nil)
		}
		return values(b, v.Elem())
	case reflect.Slice:
		b.WriteByte('[')
		for i := range v.Len() {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := values(b, v.Index(i)); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case reflect.Struct:
		b.WriteByte('{')
		_, err := fields(b, v, 0)
		b.WriteByte('}')
		return err
	}
	return leaf(b, presentable(v).Interface())
}

// fields writes the fields of a struct, behind n others, and returns how many there are now.
func fields(b *bytes.Buffer, v reflect.Value, n int) (int, error) {
	for i := range v.NumField() {
		field := v.Type().Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case !field.IsExported(), name == "-", options != "" && v.Field(i).IsZero(), options != "" && v.Field(i).Kind() == reflect.Slice && v.Field(i).Len() == 0:
			continue
		case field.Anonymous && name == "":
			var err error
			if n, err = fields(b, v.Field(i), n); err != nil {
				return n, err
			}
			continue
		}
		if n++; n > 1 {
			b.WriteByte(',')
		}
		if err := leaf(b, name); err != nil {
			return n, err
		}
		b.WriteByte(':')
		if err := values(b, v.Field(i)); err != nil {
			return n, err
		}
	}
	return n, nil
}

func leaf(b *bytes.Buffer, value any) error {
	text, err := marshal(value)
	b.Write(text)
	return err
}
