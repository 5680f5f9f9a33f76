package simulation

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/itchyny/gojq"
)

// situationOf asks the expression that kwok is given.
func situationOf(t *testing.T, pod string) string {
	t.Helper()
	query, err := gojq.Parse(situation)
	if err != nil {
		t.Fatal(err)
	}
	var object any
	if err := json.Unmarshal([]byte(pod), &object); err != nil {
		t.Fatal(err)
	}
	answer, _ := query.Run(object).Next()
	if err, failed := answer.(error); failed {
		t.Fatal(err)
	}
	return answer.(string)
}

func TestSituation(t *testing.T) {
	annotated := func(pairs ...string) string {
		annotations := map[string]string{}
		for i := 0; i < len(pairs); i += 2 {
			annotations[prefix+pairs[i]] = pairs[i+1]
		}
		text, _ := json.Marshal(annotations)
		return `"annotations":` + string(text)
	}
	const web, missing = `"spec":{"containers":[{"name":"web","image":"a:1"}]}`, `"spec":{"containers":[{"name":"side","image":"a:1"},{"name":"web","image":"a:missing"}]}`
	status := func(state string, restarts string) string {
		return `"status":{"phase":"Running","containerStatuses":[{"name":"web","restartCount":` + restarts + `,"state":` + state + `}]}`
	}
	const runs, waits = `{"running":{}}`, `{"waiting":{"reason":"CrashLoopBackOff"}}`
	for want, pod := range map[string]string{
		"ready/new":                          `{"metadata":{},` + web + `,"status":{"phase":"Pending"}}`,
		"job/new":                            `{"metadata":{"ownerReferences":[{"kind":"Job"}]},` + web + `,"status":{}}`,
		"ready-late/Running":                 `{"metadata":{` + annotated("ready-after", "5s") + `},` + web + `,` + status(runs, "0") + `}`,
		"image-missing/new":                  `{"metadata":{` + annotated("behavior", "flap") + `},` + missing + `,"status":{}}`,
		"crash-loop/CrashLoopBackOff":        `{"metadata":{` + annotated("behavior", "crash-loop") + `},` + web + `,` + status(waits, "2") + `}`,
		"crash-loop/Running again":           `{"metadata":{` + annotated("behavior", "crash-loop", "crashes", "3") + `},` + web + `,` + status(runs, "2") + `}`,
		"crash-loop-recovered/Running again": `{"metadata":{` + annotated("behavior", "crash-loop", "crashes", "2") + `},` + web + `,` + status(runs, "2") + `}`,
		"flap/deleted":                       `{"metadata":{"deletionTimestamp":"now",` + annotated("behavior", "flap") + `},` + web + `,` + status(runs, "0") + `}`,
		"ready/over":                         `{"metadata":{},` + web + `,"status":{"phase":"Succeeded"}}`,
		"init-crash/Terminated":              `{"metadata":{` + annotated("behavior", "init-crash") + `},` + web + `,"status":{"initContainerStatuses":[{"state":{"terminated":{}}}]}}`,
		"scripted/new":                       `{"metadata":{` + annotated("behavior", "scripted") + `},` + missing + `,"status":{}}`,
		"never-ready/new":                    `{"metadata":{` + annotated("behavior", "never-ready", "container", "other") + `},` + web + `,` + status(runs, "0") + `}`,
	} {
		if got := situationOf(t, pod); got != want {
			t.Errorf("got %q, want %q for %s", got, want, pod)
		}
	}
}

// Two stages for one situation would be chosen between by chance.
func TestSituationsAreUnique(t *testing.T) {
	seen := map[string]string{}
	names := map[string]bool{}
	for _, s := range podStages("/logs") {
		if names[s.name] {
			t.Errorf("two stages are called %s", s.name)
		}
		names[s.name] = true
		for _, on := range s.on {
			if other := seen[on]; other != "" {
				t.Errorf("%s and %s both react to %s", s.name, other, on)
			}
			seen[on] = s.name
		}
	}
}

// A scripted pod belongs to somebody else from its scheduling to its deletion.
func TestScriptedPodsAreLeftAlone(t *testing.T) {
	deleted := false
	for _, s := range podStages("/logs") {
		for _, on := range s.on {
			if strings.HasPrefix(on, "scripted") {
				t.Errorf("%s reacts to %s", s.name, on)
			}
		}
		deleted = deleted || s.delete && len(s.on) == 0
	}
	if !deleted {
		t.Error("no stage deletes a pod whatever its behaviour is")
	}
}

func TestMatchAsksTheAnnotationFirst(t *testing.T) {
	cheap := stage{on: []string{"crash-loop-recovered/Ready", "flap/new"}}.match()
	if len(cheap) != 2 {
		t.Fatalf("got %v", cheap)
	}
	values := cheap[0].(object)["jq"].(object)["values"].([]string)
	if !slices.Equal(values, []string{"crash-loop", "flap"}) {
		t.Errorf("got %v", values)
	}
	if full := (stage{on: []string{"flap/new", "job/new"}}).match(); len(full) != 1 {
		t.Errorf("a job has no annotation to ask for: %v", full)
	}
}

func TestRenderLeavesNoPlaceholders(t *testing.T) {
	out, err := Config{Data: "/data"}.render()
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"@READY", "@PHASE", "@TARGET", "@OTHERS", "@INITFAIL", "@FATAL", "@MESSAGE", "@COUNT", "@REASON", "@KIND"} {
		if strings.Contains(string(out), word) {
			t.Errorf("%s is not replaced", word)
		}
	}
}
