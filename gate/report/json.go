package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
)

//go:embed schema.json
var schema []byte

// Schema returns the JSON Schema of what JSON writes.
func Schema() []byte { return append([]byte(nil), schema...) }

// JSON writes the report for machines: indented, in the order of the fields of gate.Report, lists never null. Its
// strings are sanitised but not cut. No line of it can be taken for a workflow command, because line ends inside of
// strings are escaped; it needs no further protection on a CI log.
func JSON(w io.Writer, r gate.Report) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false) // PromQL is full of < and >
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(presentable(reflect.ValueOf(told(r))).Interface()); err != nil {
		return fmt.Errorf("writing the report as JSON: %w", err)
	}
	return nil
}

// told is a report whose events are in words, and whose logs are in their files.
func told(r gate.Report) gate.Report {
	r.Logs = slices.Clone(r.Logs)
	for i := range r.Logs {
		r.Logs[i].Text = ""
	}
	r.Timeline = slices.Clone(r.Timeline)
	for i, e := range r.Timeline {
		r.Timeline[i].Text, r.Timeline[i].Payload = EventText(e), nil
	}
	r.Clusters = slices.Clone(r.Clusters)
	for i, c := range r.Clusters {
		r.Clusters[i].Report = told(c.Report)
	}
	return r
}

// presentable returns a deep copy in which every nil slice is empty, every string is clean and no float is one that
// JSON cannot hold. What marshals itself is left alone.
func presentable(v reflect.Value) reflect.Value {
	out := reflect.New(v.Type()).Elem()
	out.Set(v)
	switch v.Kind() {
	case reflect.String:
		out.SetString(clean(v.String()))
	case reflect.Float64:
		_, marshals := v.Interface().(json.Marshaler)
		if f := v.Float(); !marshals && (math.IsNaN(f) || math.IsInf(f, 0)) {
			out.SetFloat(0)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			out.Set(reflect.New(v.Type().Elem()))
			out.Elem().Set(presentable(v.Elem()))
		}
	case reflect.Slice:
		out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
		for i := range v.Len() {
			out.Index(i).Set(presentable(v.Index(i)))
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			break
		}
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				out.Field(i).Set(presentable(v.Field(i)))
			}
		}
	}
	return out
}
