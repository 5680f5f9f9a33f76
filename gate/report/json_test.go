package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

func renderJSON(t *testing.T, r gate.Report) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := JSON(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestJSONIsStable(t *testing.T) {
	for name, r := range reports(t) {
		first := renderJSON(t, r)
		var again gate.Report
		if err := json.Unmarshal(first, &again); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if second := renderJSON(t, again); !bytes.Equal(first, second) {
			t.Errorf("%s: reading and writing it again changes it", name)
		}
	}
}

func TestJSONOfOddValues(t *testing.T) {
	nan := analysis.Number(math.NaN())
	r := gate.Report{
		Findings: []diagnosis.Finding{{Cause: "a \x1b[31mred\x1b[0m word"}},
		Criteria: []analysis.Result{{Value: &nan, Limit: analysis.Number(math.Inf(1))}},
		Undo:     &gate.Undo{Duration: math.NaN()},
	}
	got := string(renderJSON(t, r))
	for _, want := range []string{
		`"changes": []`, `"workloads": []`, `"timeline": []`, `"evidence": []`, `"series": []`, `"objects": []`,
		`"value": "NaN"`, `"limit": "+Inf"`, `"duration": 0`, `"cause": "a red word"`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the JSON of an odd report lacks %s:\n%s", want, got)
		}
	}
	if strings.Contains(got, "null") {
		t.Errorf("the JSON has a null:\n%s", got)
	}
	if r.Changes != nil || r.Undo.Objects != nil || !strings.Contains(r.Findings[0].Cause, "\x1b") {
		t.Error("JSON changed the report that it was given")
	}
}

// A workflow command begins its line, after spaces. No line of the JSON report does.
func TestJSONHasNoCommands(t *testing.T) {
	for line := range strings.Lines(string(renderJSON(t, reports(t)["injection"]))) {
		if strings.HasPrefix(strings.TrimSpace(line), "::") || strings.Contains(line, "##[") || strings.Contains(line, "##vso[") {
			t.Errorf("a command on a line of its own: %s", line)
		}
	}
}

func TestReportsMeetTheSchema(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(Schema(), &schema); err != nil {
		t.Fatal(err)
	}
	all := reports(t)
	all["everything"] = everything()
	all["everything in clusters"] = inClusters(everything())
	for name, r := range all {
		var value any
		if err := json.Unmarshal(renderJSON(t, r), &value); err != nil {
			t.Fatal(err)
		}
		for _, complaint := range validate(schema, schema, value, name) {
			t.Error(complaint)
		}
	}
}

// everything is a report in which no field is empty, so that the schema cannot forget one.
func everything() gate.Report {
	var r gate.Report
	fill(reflect.ValueOf(&r).Elem(), "x")
	r.SchemaVersion = gate.SchemaVersion
	for i := range r.Workloads {
		r.Workloads[i].Phase = rollout.Failed
	}
	for _, findings := range [][]diagnosis.Finding{r.Findings, r.Undo.Findings} {
		findings[0].Confidence, findings[0].Terminal = diagnosis.Proven, diagnosis.TerminalNow
	}
	r.Layers[0].State = diagnosis.StateFault
	c := &r.Criteria[0]
	c.Verdict, c.Op, c.Unit, c.Series[0].State = analysis.Fail, analysis.Less, analysis.Percent, analysis.Thin
	r.Backtest[0].Op, r.Backtest[0].Unit = analysis.Less, analysis.Percent
	r.Undo.Result = gate.UndoFailed
	return r
}

// inClusters is a run whose parts are a report.
func inClusters(part gate.Report) gate.Report {
	r := gate.Report{SchemaVersion: gate.SchemaVersion, Run: part.Run, Exit: part.Exit, Findings: part.Findings, Undo: part.Undo}
	r.Clusters = []gate.ClusterReport{{Name: "eu", Wave: 1, Report: part}, {Name: "us", Wave: 2, Report: part}}
	return r
}

// fill sets everything in v, all strings to one.
func fill(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int32, reflect.Int64:
		v.SetInt(1)
	case reflect.Float64:
		v.SetFloat(1)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), text)
	case reflect.Slice:
		if v.Type() == reflect.TypeFor[[]gate.ClusterReport]() {
			return // a report that has reports: see inClusters
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fill(v.Index(0), text)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.Date(2026, 11, 20, 16, 40, 0, 0, time.UTC)))
			return
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(v.Field(i), text)
			}
		}
	}
}

// validate checks value with the part of JSON Schema that schema.json uses. It is stricter in one way: a field that the
// schema does not name is a complaint.
func validate(root, schema map[string]any, value any, path string) []string {
	if ref, ok := schema["$ref"].(string); ok {
		if ref == "#" {
			return validate(root, root, value, path)
		}
		name := strings.TrimPrefix(ref, "#/$defs/")
		def, ok := root["$defs"].(map[string]any)[name].(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: the schema has no %s", path, ref)}
		}
		return validate(root, def, value, path)
	}
	if options, ok := schema["oneOf"].([]any); ok {
		valid := 0
		for _, option := range options {
			if len(validate(root, option.(map[string]any), value, path)) == 0 {
				valid++
			}
		}
		if valid != 1 {
			return []string{fmt.Sprintf("%s: %v meets %d of the alternatives", path, value, valid)}
		}
	}
	if allowed, ok := schema["enum"].([]any); ok && !slices.Contains(allowed, value) {
		return []string{fmt.Sprintf("%s: %v is not one of %v", path, value, allowed)}
	}
	if only, ok := schema["const"]; ok && only != value {
		return []string{fmt.Sprintf("%s: %v is not %v", path, value, only)}
	}
	return validateType(root, schema, value, path)
}

func validateType(root, schema map[string]any, value any, path string) (complaints []string) {
	fits := true
	switch schema["type"] {
	case "object":
		object, ok := value.(map[string]any)
		fits = ok
		properties, _ := schema["properties"].(map[string]any)
		for key, field := range object {
			if sub, ok := properties[key].(map[string]any); ok {
				complaints = append(complaints, validate(root, sub, field, path+"."+key)...)
			} else {
				complaints = append(complaints, fmt.Sprintf("%s.%s is not in the schema", path, key))
			}
		}
		required, _ := schema["required"].([]any)
		for _, key := range required {
			if _, ok := object[key.(string)]; !ok {
				complaints = append(complaints, fmt.Sprintf("%s.%s is required", path, key))
			}
		}
	case "array":
		list, ok := value.([]any)
		fits = ok
		for i, item := range list {
			complaints = append(complaints, validate(root, schema["items"].(map[string]any), item, fmt.Sprintf("%s[%d]", path, i))...)
		}
	case "string":
		_, fits = value.(string)
	case "boolean":
		_, fits = value.(bool)
	case "number", "integer":
		number, ok := value.(float64)
		fits = ok && (schema["type"] == "number" || number == math.Trunc(number))
	}
	if !fits {
		complaints = append(complaints, fmt.Sprintf("%s: %v is not a %v", path, value, schema["type"]))
	}
	return complaints
}
