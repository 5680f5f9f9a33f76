package main

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestKeptPage: the page about what is kept has the keys, the files, the commands and the label that the code has.
func TestKeptPage(t *testing.T) {
	page := string(readFile(t, "docs/kept.md"))
	block := func(language, begins string) string {
		found := regexp.MustCompile("(?ms)^```" + language + "\n(" + begins + ".*?)^```").FindStringSubmatch(page)
		if found == nil {
			t.Fatalf("docs/kept.md has no block %q that begins with %q", language, begins)
		}
		return found[1]
	}
	var r gate.Report
	decoder := json.NewDecoder(strings.NewReader(block("json", "")))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil || len(r.Logs) == 0 {
		t.Fatalf("the JSON of docs/kept.md: %v", err)
	}
	l := r.Logs[0]
	if !strings.Contains(block("", "rolloutgate-report"), "  "+l.File+"\n") {
		t.Errorf("docs/kept.md has no file %s", l.File)
	}
	r.Undo = &gate.Undo{KeptPod: &gate.KeptPod{
		Object: l.Object, Workload: manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Container: l.Container,
	}}
	var markdown bytes.Buffer
	if err := report.Markdown(&markdown, r); err != nil {
		t.Fatal(err)
	}
	if commands := block("", "kubectl describe"); !strings.Contains(markdown.String(), "```sh\n"+commands+"```") {
		t.Errorf("the commands of docs/kept.md are not those of the report:\n%s", markdown.String())
	}
	for _, name := range []string{"get pods --all-namespaces -l " + rollout.KeptFromLabel, rollout.KeptLabelsAnnotation, rollout.KeptRunAnnotation, "--keep-bad-pod"} {
		if !strings.Contains(page, name) {
			t.Errorf("docs/kept.md does not say %s", name)
		}
	}
}
