package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// payloads are one of each type. That none is missing is tested.
func payloads() []gate.Payload {
	return []gate.Payload{
		gate.Started{}, gate.Step{}, gate.Planned{}, gate.Applied{}, gate.Replaced{}, gate.Status{}, gate.Waiting{}, gate.Warning{},
		gate.Foreign{}, gate.Trouble{}, gate.Source{}, gate.Before{}, gate.Measured{}, gate.Judged{}, gate.Taken{}, gate.Freed{}, gate.KeptPod{},
		gate.Queued{}, gate.Adopted{}, gate.Asked{}, gate.Decided{}, gate.Said{}, gate.Tested{}, gate.Printed{}, gate.Ran{}, gate.Finished{},
	}
}

// eventPackages have the types that events are made of.
var eventPackages = []string{"gate", "gate/rollout", "gate/patch", "gate/manifest", "gate/record", "analysis"}

func TestPayloadsAreAllThere(t *testing.T) {
	var known []string
	for _, p := range payloads() {
		known = append(known, reflect.TypeOf(p).Name())
	}
	all := readSource(t, "gate").methods[ownModule+"gate.eventType"]
	slices.Sort(known)
	slices.Sort(all)
	if diff := cmp.Diff(all, known); diff != "" {
		t.Errorf("payloads (-in gate +here):\n%s", diff)
	}
}

// TestEventsSchema: the schema is what the types of events say. -update writes it.
func TestEventsSchema(t *testing.T) {
	m := schemaMaker{source: readSource(t, eventPackages...), defs: map[string]any{}}
	var kinds, names []any
	for _, p := range payloads() {
		of := reflect.TypeOf(p)
		name, kind := lowerFirst(of.Name()), gate.NewEvent(time.Time{}, manifest.Ref{}, p).Type
		data := m.object(of)
		m.defs[name] = data
		names = append(names, name)
		kinds = append(kinds, map[string]any{"properties": map[string]any{
			"type": map[string]any{"const": kind}, "name": map[string]any{"const": name}, "data": reference(name),
		}})
	}
	text, err := json.MarshalIndent(map[string]any{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"$id":     "https://rolloutgate.github.io/schema/events-1.json",
		"title":   "rolloutgate event",
		"description": "One line of what rolloutgate tells while a run goes on. Within one schemaVersion, which the first line has, names and fields are only " +
			"added: ignore those that you do not know. Durations are in seconds.",
		"type":     "object",
		"required": []string{"time", "type", "name", "text", "data"},
		"properties": map[string]any{
			"time":    map[string]any{"type": "string", "format": "date-time"},
			"type":    m.named(reflect.TypeFor[gate.EventType]()),
			"name":    map[string]any{"description": "What happened, in a word: it says what is in data.", "enum": names},
			"cluster": map[string]any{"description": "The part of a run in several clusters that it is about; absent for what is about all, and where there is one cluster.", "type": "string"},
			"object":  m.of(reflect.TypeFor[manifest.Ref]()),
			"text":    map[string]any{"description": "The same in words, for people.", "type": "string"},
			"data":    map[string]any{"type": "object"},
		},
		"oneOf": kinds,
		"$defs": m.defs,
	}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	if *update {
		if err := os.WriteFile("events.schema.json", text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile("events.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(text)); diff != "" {
		t.Errorf("events.schema.json is not what the code says; -update rewrites it:\n%s", diff)
	}
}

// schemaMaker makes schemas of types, by their tags and comments.
type schemaMaker struct {
	source goSource
	defs   map[string]any
}

func reference(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

func (m schemaMaker) of(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "number"}
	case t == reflect.TypeFor[gate.Outcome]():
		return map[string]any{"enum": verdicts()}
	}
	switch t.Kind() {
	case reflect.String:
		return m.named(t)
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Pointer:
		return m.of(t.Elem())
	case reflect.Slice:
		return map[string]any{"type": "array", "items": m.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": m.of(t.Elem())}
	case reflect.Struct:
		name := lowerFirst(t.Name()) + "Value"
		if m.defs[name] == nil {
			m.defs[name] = m.object(t)
		}
		return reference(name)
	}
	panic("no schema for " + t.String())
}

// named is a string, or one of the constants of its type.
func (m schemaMaker) named(t reflect.Type) map[string]any {
	if values := m.source.values[keyOf(t)]; len(values) > 0 {
		return map[string]any{"enum": values}
	}
	return map[string]any{"type": "string"}
}

func (m schemaMaker) object(t reflect.Type) map[string]any {
	out := map[string]any{"type": "object"}
	if doc := m.source.types[keyOf(t)]; doc != "" {
		out["description"] = doc
	}
	properties, required := map[string]any{}, []string{}
	m.fields(t, properties, &required)
	if len(properties) > 0 {
		out["properties"] = properties
	}
	if len(required) > 0 {
		out["required"] = required
	}
	return out
}

func (m schemaMaker) fields(t reflect.Type, properties map[string]any, required *[]string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			m.fields(f.Type, properties, required)
			continue
		case !f.IsExported(), name == "-":
			continue
		}
		schema := m.of(f.Type)
		doc := m.source.fields[keyOf(t)+"."+f.Name]
		if f.Type == reflect.TypeFor[time.Duration]() {
			doc = strings.TrimSpace(doc + " In seconds.")
		}
		if doc != "" {
			schema["description"] = doc
		}
		properties[name] = schema
		if options == "" {
			*required = append(*required, name)
		}
	}
}

// compiled is a schema in which no field may have another name than those that it has.
func compiled(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	forbidOthers(document)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func forbidOthers(node any) {
	object, ok := node.(map[string]any)
	if !ok {
		if list, ok := node.([]any); ok {
			for _, item := range list {
				forbidOthers(item)
			}
		}
		return
	}
	for _, below := range object {
		forbidOthers(below)
	}
	if _, given := object["additionalProperties"]; !given && object["type"] == "object" && object["properties"] != nil {
		object["additionalProperties"] = false
	}
}

// TestEventsMeetTheSchema: an event of each type, with nothing in it and with everything.
func TestEventsMeetTheSchema(t *testing.T) {
	schema := compiled(t, EventsSchema())
	source := readSource(t, eventPackages...)
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	for _, p := range payloads() {
		full := reflect.New(reflect.TypeOf(p)).Elem()
		fillValid(full, source)
		least := reflect.New(reflect.TypeOf(p)).Elem()
		least.Set(full)
		emptyOptional(least)
		for _, v := range []reflect.Value{full, least} {
			for _, object := range []manifest.Ref{web, {}} {
				line, err := eventJSON(gate.NewEvent(time.Now(), object, v.Interface().(gate.Payload)))
				if err != nil {
					t.Fatal(err)
				}
				complain(t, schema, line)
			}
		}
	}
}

func complain(t *testing.T, schema *jsonschema.Schema, line []byte) {
	t.Helper()
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(line))
	if err == nil {
		err = schema.Validate(value)
	}
	if err != nil {
		t.Errorf("%s\n%v", line, err)
	}
}

// fillValid sets everything in v to something that is possible.
func fillValid(v reflect.Value, source goSource) {
	fill(v, "x")
	var walk func(reflect.Value)
	walk = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			if values := source.values[keyOf(v.Type())]; len(values) > 0 {
				v.SetString(values[len(values)-1])
			}
		case reflect.Pointer:
			walk(v.Elem())
		case reflect.Slice:
			walk(v.Index(0))
		case reflect.Map:
			v.Set(reflect.MakeMap(v.Type()))
			v.SetMapIndex(reflect.ValueOf("web"), reflect.ValueOf("web-new"))
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					walk(v.Field(i))
				}
			}
		}
	}
	walk(v)
}

// emptyOptional empties what may be left out.
func emptyOptional(v reflect.Value) {
	for i := range v.NumField() {
		if _, options, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ","); options != "" {
			v.Field(i).SetZero()
		}
	}
}

// TestEventAsJSON: what a line looks like.
func TestEventAsJSON(t *testing.T) {
	at := time.Date(2026, 11, 20, 16, 40, 2, 345e6, time.UTC)
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	nobody := manifest.Ref{}
	for _, c := range []struct {
		object  manifest.Ref
		payload gate.Payload
		want    string
	}{
		{nobody, gate.Step{Name: gate.StepAnalyze, Criteria: 2, Limit: 5 * time.Minute, Settle: 1500 * time.Millisecond},
			`"type":"step","name":"step","text":"analyze: 2 criteria, settling 2s, then watching 5m","data":{"name":"analyze","criteria":2,"limit":300,"settle":1.5}}`},
		{web, gate.Status{Status: rollout.Status{Ref: web, Phase: rollout.Progressing, Desired: 3, Message: "0 of 3\x1b[31m\n##vso[x]"}},
			`"type":"status","name":"status","object":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"},"text":"0 of 3\n## vso[x]",` +
				`"data":{"object":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"},"phase":"Progressing","desired":3,"updated":0,"ready":0,"available":0,` +
				`"message":"0 of 3\n## vso[x]","watched":false}}`},
		{nobody, gate.Judged{Outcome: gate.RolloutFailed, Code: "ImageNotFound", Cause: "a < b"},
			`"type":"verdict","name":"judged","text":"failed: ImageNotFound: a < b","data":{"outcome":"failed","code":"ImageNotFound","cause":"a < b"}}`},
		{nobody, gate.Measured{Criterion: "errors", Events: math.NaN(), Limit: "<= 1%", State: analysis.NoData, Note: "no series"},
			`"type":"measurement","name":"measured","text":"errors: no value: no series (limit <= 1%) noData","data":{"criterion":"errors","events":0,"limit":"<= 1%","state":"noData","note":"no series"}}`},
		{web, gate.Applied{Action: patch.Configured, Split: &patch.Split{Of: web, To: map[string]string{"web": "web-new"}, Percent: 5}},
			`"type":"applied","name":"applied","object":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"},"text":"5% of the requests to the new pods",` +
				`"data":{"action":"configured","split":{"of":{"group":"apps","kind":"Deployment","namespace":"shop","name":"web"},"to":{"web":"web-new"},"percent":5}}}`},
		{nobody, gate.Queued{Run: "7HJ2K9QXWE", Since: at, Limit: time.Minute},
			`"type":"run","name":"queued","text":"waiting, for at most 1m, for run 7HJ2K9QXWE, which began at 16:40:02",` +
				`"data":{"run":"7HJ2K9QXWE","since":"2026-11-20T16:40:02.345Z","limit":60}}`},
	} {
		got, err := eventJSON(gate.NewEvent(at, c.object, c.payload))
		if diff := cmp.Diff(`{"time":"2026-11-20T16:40:02.345Z",`+c.want, string(got)); diff != "" || err != nil {
			t.Errorf("%T: %v (-want +got):\n%s", c.payload, err, diff)
		}
	}
}

// TestNDJSONOfARun: what is streamed while a run goes on is what is written of it at the end, but for the lines that are no
// part of the timeline.
func TestNDJSONOfARun(t *testing.T) {
	schema := compiled(t, EventsSchema())
	r := stagedReport()
	var streamed, written bytes.Buffer
	s := StreamNDJSON(&streamed)
	for _, e := range append([]gate.Event{r.Started()}, r.Timeline...) {
		if err := s.Event(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Finish(r); err != nil {
		t.Fatal(err)
	}
	if err := NDJSON(&written, r); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(written.String(), streamed.String()); diff != "" {
		t.Errorf("(-written +streamed):\n%s", diff)
	}
	var names []string
	for line := range strings.Lines(streamed.String()) {
		complain(t, schema, []byte(line))
		var e struct{ Name string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Error(err)
		}
		names = append(names, e.Name)
	}
	if want := "[started applied status tested status tested judged finished]"; fmt.Sprint(names) != want {
		t.Errorf("the events are %v, want %s", names, want)
	}
}
