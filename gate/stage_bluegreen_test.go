package gate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// fronted is a plan for workloads, a ConfigMap, and Services in front of the first workload. Services are "NAME" for one
// that is not among the manifests, "NAME same", "NAME changed", or "NAME preview" for one that has no traffic to keep.
func fronted(services string, workloads ...patch.Write) patch.Plan {
	p := patch.Plan{Writes: append([]patch.Write{{Ref: manifest.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "settings"}, Action: patch.Configured}}, workloads...)}
	for text := range strings.SplitSeq(services, ",") {
		name, how, _ := strings.Cut(text, " ")
		if name == "" {
			continue
		}
		live := serviceOf(name, 80)
		if how == "same" || how == "changed" {
			w := patch.Write{Ref: manifest.Object{Unstructured: live}.Ref(), Action: patch.Unchanged, Manager: "rolloutgate", Before: live, After: live, Sent: live, Object: manifest.Object{Unstructured: live}}
			if how == "changed" {
				w.Action, w.Sent, w.After = patch.Configured, serviceOf(name, 81), serviceOf(name, 81)
			}
			p.Writes = append(p.Writes, w)
		}
		old := "OLD"
		if how == "preview" {
			old = ""
		}
		p.Writes = pinIn(p.Writes, live, workloads[0], patch.Pin{Of: workloads[0].Ref, Old: old})
	}
	return p
}

// inWords are stages with what each of them writes, and the goals of those that have some.
func inWords(t *testing.T, stages []Stage) string {
	t.Helper()
	var texts []string
	steps := map[manifest.Ref]int{}
	for _, s := range stages {
		var writes []string
		for _, w := range s.Writes {
			text := w.Ref.Name
			to := pinOf(w.Sent)
			surge, surges, _ := unstructured.NestedInt64(content(w.Sent), "spec", "strategy", "rollingUpdate", "maxSurge")
			partition, parted, _ := unstructured.NestedInt64(content(w.Sent), "spec", "updateStrategy", "rollingUpdate", "partition")
			switch {
			case w.Pin != nil && w.Pin.To == "" && to == "not-made-yet":
				text += "@new"
			case w.Pin != nil && w.Pin.To == to:
				text += "@" + to
			case w.Pin != nil || to != "":
				t.Errorf("stage %s: %s has a pin to %q, and sends %q", s.Name, w.Ref, w.Pin.To, to)
			case surges:
				text += fmt.Sprintf("+%d", surge)
			case parted:
				text += fmt.Sprintf(">=%d", partition)
			}
			if n, staged := steps[w.Ref]; staged && w.Step != n {
				t.Errorf("stage %s: %s is step %d, want %d", s.Name, w.Ref, w.Step, n)
			}
			steps[w.Ref] = w.Step + 1
			writes = append(writes, text)
		}
		text := s.Name + ": " + strings.Join(writes, " ")
		for _, ref := range slices.SortedFunc(maps.Keys(s.Goals), func(a, b manifest.Ref) int { return strings.Compare(a.Name, b.Name) }) {
			text += fmt.Sprintf(" (%s %d)", ref.Name, s.Goals[ref])
		}
		if s.Unpin {
			text += " unpins"
		}
		if s.Judge {
			text += " judged"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

func content(u *unstructured.Unstructured) map[string]any {
	if u == nil {
		return nil
	}
	return u.Object
}

// TestBlueGreenStages: what each stage pins and writes, and how many pods it waits for.
func TestBlueGreenStages(t *testing.T) {
	api := staged("Deployment", 2, nil)
	api.Ref.Name = "api"
	for name, c := range map[string]struct {
		services  string
		workloads []patch.Write
		want      string
	}{
		"one that no manifest has": {"svc", nil,
			"preview: settings svc@OLD web+3 (web 3); switch: svc@new (web 3) judged; promote: web; unpin:  unpins judged"},
		"one that the release does not change": {"svc same", nil,
			"preview: settings svc@OLD web+3 (web 3); switch: svc@new (web 3) judged; promote: web; unpin:  unpins judged"},
		"one that the release changes": {"svc changed", nil,
			"preview: settings svc@OLD web+3 (web 3); switch: svc@new (web 3) judged; promote: web; unpin: svc unpins judged"},
		"several, and two workloads": {"a,b changed,c same", []patch.Write{staged("Deployment", 3, nil), api},
			"preview: settings a@OLD b@OLD c@OLD web+3 api+2 (api 2) (web 3); switch: a@new b@new c@new (api 2) (web 3) judged; promote: web api; unpin: b unpins judged"},
		"no Service": {"", nil, "preview: settings web+3 (web 3); promote: web judged"},
	} {
		if c.workloads == nil {
			c.workloads = []patch.Write{staged("Deployment", 3, nil)}
		}
		p := fronted(c.services, c.workloads...)
		stages, err := blueGreen(previewed(time.Minute)).Stages(p)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i := range stages { // several Services are pinned in the order in which they were found
			slices.SortStableFunc(stages[i].Writes, func(a, b patch.Write) int {
				if a.Pin == nil || b.Pin == nil {
					return 0
				}
				return strings.Compare(a.Ref.Name, b.Ref.Name)
			})
		}
		if got := inWords(t, stages); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

// TestBlueGreenHolds: the preview and the switch are held, and old pods live on for a moment in any case.
func TestBlueGreenHolds(t *testing.T) {
	d := previewed(time.Minute)
	d.Parts[0].Hold, d.Parts[0].Approval = 2*time.Minute, &Approval{}
	p := fronted("svc,try preview", staged("Deployment", 3, nil))
	d.Parts[0].Preview.Service = "try"
	stages, err := blueGreen(d).Stages(p)
	if err != nil {
		t.Fatal(err)
	}
	const want = "preview: settings svc@OLD web+3 (web 3); preview service: try@new (web 3); switch: svc@new (web 3) judged; promote: web; unpin:  unpins judged"
	if got := inWords(t, stages); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	shown, change := stages[1], stages[2]
	if stages[0].Hold != 0 || stages[0].Approval != nil || shown.Hold != 2*time.Minute || shown.Approval == nil || change.Hold != time.Minute || change.Rest != drainTime || change.Approval != nil {
		t.Errorf("held: %+v", stages)
	}
	d.Parts[1].Hold = drainTime / 2 // which the old pods live on for in any case
	if stages, err = blueGreen(d).Stages(p); err != nil || stages[2].Hold != drainTime {
		t.Errorf("%+v, %v", stages, err)
	}
	d.Parts = d.Parts[:1] // the switch is not spoken of
	if stages, err = blueGreen(d).Stages(p); err != nil || stages[2].Hold != 0 || stages[2].Rest != drainTime {
		t.Errorf("%+v, %v", stages, err)
	}
}

// TestNoBlueGreen: what has no pods to replace goes out as ever.
func TestNoBlueGreen(t *testing.T) {
	same, first := staged("Deployment", 3, nil), staged("Deployment", 3, nil)
	same.After = same.Before
	first.Action, first.Before = patch.Created, nil
	for name, w := range map[string]patch.Write{"the same pods": same, "there was none": first} {
		if stages, err := blueGreen(previewed(0)).Stages(patch.Plan{Writes: []patch.Write{w}}); len(stages) > 0 || err != nil {
			t.Errorf("%s: %d stages, %v", name, len(stages), err)
		}
	}
	if stages, err := blueGreen(Delivery{}).Stages(fronted("svc", staged("Deployment", 3, nil))); len(stages) > 0 || err != nil {
		t.Errorf("nobody asked: %d stages, %v", len(stages), err)
	}
}

// TestBlueGreenRefused: what cannot work is said before anything is written.
func TestBlueGreenRefused(t *testing.T) {
	set := staged("StatefulSet", 3, nil)
	for want, workloads := range map[string][]patch.Write{
		"statefulset/web cannot be blue/green: only a Deployment can run all its new pods":    {set},
		"daemonset/web cannot be blue/green: only a Deployment can run all its new pods":      {staged("DaemonSet", 3, nil)},
		"deployment/web cannot be blue/green: spec.strategy.type is Recreate":                 {staged("Deployment", 3, map[string]any{"strategy": map[string]any{"type": "Recreate"}})},
		"deployment/web cannot be blue/green: spec.paused is true":                            {staged("Deployment", 3, map[string]any{"paused": true})},
		"deployment/web cannot be blue/green: it wants 0 pods":                                {staged("Deployment", 0, nil)},
		"statefulset/web cannot be blue/green: only a Deployment can run all its new pods be": {staged("Deployment", 3, nil), set},
	} {
		_, err := blueGreen(previewed(0)).Stages(fronted("svc", workloads...))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint:") || strings.Contains(err.Error(), "canary") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
