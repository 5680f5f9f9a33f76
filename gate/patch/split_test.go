package patch

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// route is a write to an HTTPRoute with these entries of backendRefs, one rule an argument.
func route(t *testing.T, rules ...string) Write {
	t.Helper()
	var parts []string
	for _, refs := range rules {
		parts = append(parts, fmt.Sprintf(`{"backendRefs": %s}`, refs))
	}
	u := &unstructured.Unstructured{}
	text := fmt.Sprintf(`{"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": {"name": "web", "namespace": "shop"}, "spec": {"rules": [%s]}}`, strings.Join(parts, ","))
	if err := u.UnmarshalJSON([]byte(text)); err != nil {
		t.Fatal(err)
	}
	return Write{Ref: manifest.Object{Unstructured: u}.Ref(), Sent: u, After: u.DeepCopy(), Split: &Split{To: map[string]string{"web": "web-new", "api": "api-new"}}}
}

// refs are the entries of a route in short: name=weight, and an entry that says more with its number of fields.
func refs(u *unstructured.Unstructured) string {
	var all []string
	rules, _, _ := unstructured.NestedSlice(u.Object, "spec", "rules")
	for _, r := range rules {
		var texts []string
		entries, _ := r.(map[string]any)["backendRefs"].([]any)
		for _, entry := range entries {
			fields := entry.(map[string]any)
			text := fmt.Sprintf("%s=%d", fields["name"], weight(entry))
			if _, filtered := fields["filters"]; filtered {
				text += " filtered"
			}
			texts = append(texts, text)
		}
		all = append(all, strings.Join(texts, " "))
	}
	return strings.Join(all, "; ")
}

// TestSplit: the shares of the new pods, and of everything else that a rule sends requests to.
func TestSplit(t *testing.T) {
	for name, c := range map[string]struct {
		rules   []string
		percent float64
		want    string
	}{
		"no weight":             {[]string{`[{"name": "web", "port": 80}]`}, 5, "web=95 web-new=5"},
		"one weight":            {[]string{`[{"name": "web", "weight": 7}]`}, 50, "web=350 web-new=350"},
		"a tenth of a percent":  {[]string{`[{"name": "web"}]`}, 0.1, "web=999 web-new=1"},
		"thirds":                {[]string{`[{"name": "web"}]`}, 33.333, "web=66667 web-new=33333"},
		"beside others":         {[]string{`[{"name": "old", "weight": 1}, {"name": "web", "weight": 3}, {"name": "off", "weight": 0}]`}, 25, "old=100 web=225 web-new=75 off=0"},
		"two of ours":           {[]string{`[{"name": "web"}, {"name": "api", "weight": 2}]`}, 10, "web=90 web-new=10 api=180 api-new=20"},
		"several rules":         {[]string{`[{"name": "web"}]`, `[{"name": "other"}]`, `[{"name": "api"}]`}, 5, "web=95 web-new=5; other=1; api=95 api-new=5"},
		"its filters go along":  {[]string{`[{"name": "web", "filters": [{"type": "RequestHeaderModifier"}]}]`}, 5, "web=95 filtered web-new=5 filtered"},
		"weights of a million":  {[]string{`[{"name": "web", "weight": 1000000}, {"name": "old", "weight": 1000000}]`}, 5, "web=950000 web-new=50000 old=1000000"},
		"gets none as it is":    {[]string{`[{"name": "web", "weight": 0}, {"name": "old"}]`}, 5, "web=0 old=1"},
		"another kind":          {[]string{`[{"name": "web", "kind": "ServiceImport", "group": "multicluster.x-k8s.io"}, {"name": "web"}]`}, 5, "web=100 web=95 web-new=5"},
		"another namespace":     {[]string{`[{"name": "web", "namespace": "other"}, {"name": "web", "namespace": "shop"}]`}, 5, "web=100 web=95 web-new=5"},
		"a rule without any":    {[]string{`[]`, `[{"name": "web"}]`}, 99.9, "; web=1 web-new=999"},
		"rounded near the most": {[]string{`[{"name": "web", "weight": 1001}]`}, 33.333, "web=666669 web-new=333330"},
	} {
		w := route(t, c.rules...)
		before := refs(w.Sent)
		out, err := w.SplitAt(2, c.percent)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := refs(out.Sent); got != c.want || refs(out.After) != c.want || refs(w.Sent) != before {
			t.Errorf("%s: %s, then %s of %s, want %s", name, got, refs(out.After), refs(w.Sent), c.want)
		}
		if out.Step != 2 || out.Split.Percent != c.percent || !AtStep(out, out.After) || refs(out.Sent) != before && AtStep(out, w.After) {
			t.Errorf("%s: step %d of %g%% cannot be told from the one before", name, out.Step, out.Split.Percent)
		}
		last, err := out.Unsplit(3)
		if err != nil || last.Split != nil || last.Step != 3 {
			t.Errorf("%s: %+v, %v", name, last.Split, err)
		}
	}
}

// TestSplitRefused: weights that leave no room for a share.
func TestSplitRefused(t *testing.T) {
	w := route(t, `[{"name": "x"}]`, `[{"name": "web", "weight": 1}, {"name": "old", "weight": 1000000}]`)
	_, err := w.SplitAt(0, 5)
	if err == nil || !strings.Contains(err.Error(), "rule 2 of httproute/web: the weight 1 of service/web beside one of 1000000 cannot be split so that 5%") || !strings.Contains(err.Error(), "hint:") {
		t.Errorf("%v", err)
	}
}

// TestBackends: who gets requests.
func TestBackends(t *testing.T) {
	w := route(t, `[{"name": "web"}, {"name": "off", "weight": 0}]`, `[{"name": "api", "namespace": "other"}, {"name": "b", "group": "storage.example.com", "kind": "Bucket"}]`)
	got, err := json.Marshal(Backends(w.Sent))
	if err != nil || string(got) != `[{"kind":"Service","namespace":"shop","name":"web"},{"kind":"Service","namespace":"other","name":"api"}]` {
		t.Errorf("%s, %v", got, err)
	}
}
