package readiness

import (
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := yaml.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	return o
}

// TestJudge: what expressions say of an object.
func TestJudge(t *testing.T) {
	const running = `{status: {phase: Running, replicas: 3, share: 0.5, message: all is well, conditions: [{type: Up, status: "True"}]}, spec: {replicas: 3}, metadata: {labels: {app: db}}}`
	for name, c := range map[string]struct {
		e       Expressions
		object  string
		want    string // ready, failed or neither
		message string
		problem string // a part
	}{
		"ready":                           {e: Expressions{Ready: `object.status.phase == "Running"`, Message: "object.status.message"}, object: running, want: "ready", message: "all is well"},
		"not ready":                       {e: Expressions{Ready: `object.status.phase == "Up"`}, object: running},
		"failed":                          {e: Expressions{Failed: `object.status.phase in ["Running", "Error"]`}, object: running, want: "failed"},
		"numbers":                         {e: Expressions{Ready: `object.status.replicas == object.spec.replicas && object.status.share > 0.4 && object.status.replicas > 2.5`}, object: running, want: "ready"},
		"a list":                          {e: Expressions{Ready: `object.status.conditions.exists(c, c.type == "Up" && c.status == "True")`}, object: running, want: "ready"},
		"a label":                         {e: Expressions{Ready: `object.metadata.labels["app"] == "db" && size(object.status.conditions) == 1`}, object: running, want: "ready"},
		"a part of a text":                {e: Expressions{Ready: `object.status.message.startsWith("all") && object.status.message.matches("w.ll$")`}, object: running, want: "ready"},
		"a number to tell":                {e: Expressions{Ready: `false`, Message: `object.status.replicas`}, object: running, message: "3"},
		"a text to tell":                  {e: Expressions{Ready: `false`, Message: `string(object.status.replicas) + " of " + string(object.spec.replicas)`}, object: running, message: "3 of 3"},
		"no status yet":                   {e: Expressions{Ready: `object.status.phase == "Running"`, Message: "object.status.message"}, object: `{spec: {}}`, problem: "no such key: status"},
		"asked for":                       {e: Expressions{Ready: `has(object.status.phase) && object.status.phase == "Up"`}, object: `{status: {}}`},
		"failed, no status":               {e: Expressions{Failed: `object.status.phase == "Error"`}, object: `{spec: {}}`, problem: "no such key: status"},
		"ready, and failed has no answer": {e: Expressions{Ready: `object.status.phase == "Running"`, Failed: `object.status.error != ""`}, object: running, want: "ready"},
		"not a truth":                     {e: Expressions{Ready: `object.status.phase`}, object: running, problem: "ready is of type string, and neither true nor false"},
		"too much":                        {e: Expressions{Ready: `[0,1,2,3,4,5,6,7,8,9].all(a, [0,1,2,3,4,5,6,7,8,9].all(b, [0,1,2,3,4,5,6,7,8,9].all(c, [0,1,2,3,4,5,6,7,8,9].all(d, [0,1,2,3,4,5,6,7,8,9].all(e, a+b+c+d+e >= 0)))))`}, object: running, problem: "ready takes too much to evaluate"},
	} {
		t.Run(name, func(t *testing.T) {
			own, err := Compile(c.e, "c.yaml:1")
			if err != nil {
				t.Fatal(err)
			}
			r := own.Judge(object(t, c.object))
			got := ""
			switch {
			case r.Failed:
				got = "failed"
			case r.Ready:
				got = "ready"
			}
			if got != c.want || r.Message != c.message || (c.problem == "") != (r.Problem == "") || !strings.Contains(r.Problem, c.problem) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// TestCompileErrors: one sentence with a place and a hint.
func TestCompileErrors(t *testing.T) {
	for expression, want := range map[Expressions]string{
		{Ready: `object.status.phase = "Running"`}: "ready, at character 21: ",
		{Ready: `status.phase == "Running"`}:       "ready, at character 1: there is no status\n  hint: the object is called object",
		{Ready: `object.status.phase == Running`}:  "ready, at character 24: there is no Running",
		{Ready: `"Running"`}:                       "ready: it is of type string, and has to be of type bool\n  hint: write one such as object.status.phase",
		{Failed: `size(object.status.errors)`}:     "failed: it is of type int, and has to be of type bool",
		{Ready: "true", Message: "1 + 1"}:          "message: it is of type int, and has to be of type string",
		{Message: "object.status.message"}:         "message: it says nothing alone",
		{}:                                         "message: it says nothing alone",
		{Ready: `object.status.phase == "Running`}: "ready, at character",
		{Ready: `object.frobnicate(1)`}:            "ready, at character 18: there is no frobnicate",
		{Ready: strings.Repeat("(", 300)}:          "ready",
		{Ready: strings.Repeat("true && ", 1000)}:  "ready: it has more than 4096 characters",
	} {
		_, err := Compile(expression, "c.yaml:1")
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.60q: %v, want %q", expression.Ready+expression.Failed+expression.Message, err, want)
		}
	}
}

// TestCheck: fields are compared with the schema of a CRD, and what only a type does not allow is in order.
func TestCheck(t *testing.T) {
	schema := object(t, `
type: object
properties:
  spec: {type: object, properties: {replicas: {type: integer}, template: {type: object, x-kubernetes-preserve-unknown-fields: true}}}
  status:
    type: object
    properties:
      phase: {type: string}
      replicas: {type: integer}
      share: {type: number}
      port: {x-kubernetes-int-or-string: true}
      labels: {type: object, additionalProperties: {type: string}}
      conditions: {type: array, items: {type: object, properties: {type: {type: string}, status: {type: string}}}}
`)
	for expression, want := range map[string]string{
		`object.status.phase == "Running"`:                                         "",
		`object.metadata.generation > 1 && object.kind == "Database"`:              "",
		`object.spec.template.anything.at.all == 1`:                                "",
		`object.status.share == 1 && object.status.share > 0.5`:                    "",
		`object.status.port == "http" || object.status.port == 80`:                 "",
		`object.status.labels["a"] == "b"`:                                         "",
		`object.status["phase"] == "Running" && "phase" in object.status`:          "",
		`has(object.status.phase) && object.status.replicas >= 2.5`:                "",
		`object.status.conditions.exists(c, c.type == "Up" && c.status == "True")`: "",
		`object.status.phse == "Running"`:                                          "ready, at character 14: object.status has no field phse in the schema of its kind\n  hint: did you mean \"phase\"?",
		`object.state.phase == "Running"`:                                          "ready, at character 7: object has no field state in the schema of its kind\n  hint: did you mean \"status\"?",
		`object.status.conditions.exists(c, c.kind == "Up")`:                       "ready, at character 37: object.status.conditions[] has no field kind in the schema of its kind\n  hint: it has status, type",
		`object.status.replicas == "3"`:                                            "ready, at character 24: found no matching overload for '_==_'",
	} {
		var got string
		for _, wrong := range Check(Expressions{Ready: expression}, schema) {
			got += wrong.Error() + "\n"
		}
		if want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q, want %q", expression, got, want)
		}
		if _, err := Compile(Expressions{Ready: expression}, ""); err != nil {
			t.Errorf("%s: %v", expression, err)
		}
	}
}

// FuzzCompile: no expression, and no object, ends the program.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{`object.status.phase == "Running"`, `object.a[0].b`, `object.all(x, x > 1)`, `has(object.a) ? object.a : false`, `1/0 == 1`, `object.a.matches("(")`} {
		f.Add(seed, `{"status":{"phase":"Running"},"a":[1,2.5,null,{"b":"c"}]}`)
	}
	f.Fuzz(func(t *testing.T, expression, text string) {
		var o map[string]any
		if yaml.Unmarshal([]byte(text), &o) != nil {
			return
		}
		own, err := Compile(Expressions{Ready: expression, Failed: expression}, "")
		if err != nil {
			return
		}
		own.Judge(o)
		Check(Expressions{Ready: expression}, o)
	})
}
