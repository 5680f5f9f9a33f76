package gate

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// staged is a write that changes the image of a workload; fields are those of its spec beside that.
func staged(kind string, replicas int64, fields map[string]any) patch.Write {
	object := func(image string) *unstructured.Unstructured {
		spec := map[string]any{
			"replicas": replicas, "selector": map[string]any{"matchLabels": map[string]any{"app": "web"}},
			"template": map[string]any{"spec": map[string]any{"containers": []any{map[string]any{"name": "app", "image": image}}}},
		}
		for name, value := range fields {
			spec[name] = value
		}
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apps/v1", "kind": kind, "metadata": map[string]any{"name": "web", "namespace": "shop"}, "spec": spec,
		}}
	}
	return patch.Write{
		Ref: manifest.Ref{Group: "apps", Kind: kind, Namespace: "shop", Name: "web"}, Action: patch.Configured,
		Before: object("web:v1"), Sent: object("web:v2"), After: object("web:v2"),
	}
}

// shares are canaries as on the command line.
func shares(t *testing.T, text string, hold time.Duration) Delivery {
	t.Helper()
	var d Delivery
	for _, one := range strings.Split(text, ",") {
		share, err := ParseShare(one)
		if err != nil {
			t.Fatal(err)
		}
		d.Parts = append(d.Parts, Part{Canary: share, Hold: hold})
	}
	return d
}

// TestCanaryStages: how many pods become new in each stage, by which fields, and that nothing of them is left.
func TestCanaryStages(t *testing.T) {
	for name, c := range map[string]struct {
		write  patch.Write
		shares string
		want   string
	}{
		"a percentage is rounded up": {staged("Deployment", 4, nil), "5%,50%,100%", "canary 5%: 1, surge 1; canary 50%: 2, surge 2; canary 100%: 4, surge 4; promote"},
		"a number":                   {staged("Deployment", 10, nil), "1,3", "canary 1: 1, surge 1; canary 3: 3, surge 3; promote"},
		"half a percent":             {staged("Deployment", 300, nil), "0.5%", "canary 0.5%: 2, surge 2; promote"},
		"highest ordinals":           {staged("StatefulSet", 5, nil), "20%,3", "canary 20%: 1, partition 4; canary 3: 3, partition 2; promote"},
		"its own partition":          {staged("StatefulSet", 5, map[string]any{"updateStrategy": map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"partition": int64(1)}}}), "1", "canary 1: 1, partition 4; promote, partition 1"},
	} {
		settings := patch.Write{Ref: manifest.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "settings"}, Action: patch.Configured}
		stages, err := canary(shares(t, c.shares, time.Minute)).Stages(patch.Plan{Writes: []patch.Write{settings, c.write}})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var texts []string
		for n, s := range stages {
			w := s.Writes[len(s.Writes)-1]
			if w.Step != n || len(s.Writes) != 1+min(1, max(0, 1-n)) || !s.Judge || (s.Hold == 0) != (n == len(stages)-1) {
				t.Errorf("%s: stage %s has %d writes, step %d, judge %v, hold %s", name, s.Name, len(s.Writes), w.Step, s.Judge, s.Hold)
			}
			text := s.Name
			if pods := s.Goals[w.Ref]; pods > 0 {
				text += fmt.Sprintf(": %d", pods)
			}
			for _, of := range []*unstructured.Unstructured{w.Sent, w.After} {
				surge, surges, _ := unstructured.NestedInt64(of.Object, "spec", "strategy", "rollingUpdate", "maxSurge")
				partition, has, _ := unstructured.NestedInt64(of.Object, "spec", "updateStrategy", "rollingUpdate", "partition")
				switch {
				case of == w.Sent: // After says the same
				case surges:
					text += fmt.Sprintf(", surge %d", surge)
				case has:
					text += fmt.Sprintf(", partition %d", partition)
				}
			}
			texts = append(texts, text)
			if !patch.AtStep(w, w.After) || n > 0 && patch.AtStep(w, stages[n-1].Writes[len(stages[n-1].Writes)-1].After) {
				t.Errorf("%s: step %d cannot be told from the one before", name, n)
			}
		}
		if got := strings.Join(texts, "; "); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

// onNodes is a write to a DaemonSet that so many nodes are to run.
func onNodes(nodes int64, strategy map[string]any) patch.Write {
	fields := map[string]any{}
	if strategy != nil {
		fields["updateStrategy"] = strategy
	}
	w := staged("DaemonSet", 0, fields)
	for _, of := range []*unstructured.Unstructured{w.Before, w.Sent, w.After} {
		unstructured.RemoveNestedField(of.Object, "spec", "replicas")
	}
	for _, of := range []*unstructured.Unstructured{w.Before, w.After} {
		of.Object["status"] = map[string]any{"desiredNumberScheduled": nodes}
	}
	return w
}

func deferred() patch.Write {
	w := staged("Deployment", 4, nil)
	w.Deferred = true
	return w
}

// TestDaemonSetStages: the controller replaces nothing in them, and does so as the manifest says at the end. What is sent
// has no field that only another strategy has.
func TestDaemonSetStages(t *testing.T) {
	rolling := map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": "10%"}}
	for name, strategy := range map[string]map[string]any{"its own": rolling, "none": nil} {
		stages, err := canary(shares(t, "5%,50%", time.Minute)).Stages(patch.Plan{Writes: []patch.Write{onNodes(5, strategy)}})
		if err != nil || len(stages) != 3 {
			t.Fatalf("%s: %d stages, %v", name, len(stages), err)
		}
		for n, s := range stages {
			w := s.Writes[0]
			want := map[string]any{"type": "OnDelete"}
			if n == 2 {
				want = strategy
			}
			for _, of := range []*unstructured.Unstructured{w.Sent, w.After} {
				if got, _, _ := unstructured.NestedMap(of.Object, "spec", "updateStrategy"); !equality.Semantic.DeepEqual(got, want) {
					t.Errorf("%s: stage %s has the strategy %v", name, s.Name, got)
				}
			}
			if w.Step != n || s.Goals[w.Ref] != []int32{1, 3, 0}[n] || patch.AtStep(stages[2].Writes[0], w.After) != (n == 2) {
				t.Errorf("%s: stage %s: step %d, goal %d", name, s.Name, w.Step, s.Goals[w.Ref])
			}
		}
	}
}

// TestNoCanary: what has no pods to replace goes out as ever.
func TestNoCanary(t *testing.T) {
	same, first := staged("Deployment", 4, nil), staged("Deployment", 4, nil)
	same.After = same.Before
	first.Action, first.Before = patch.Created, nil
	for name, w := range map[string]patch.Write{
		"the same pods": same, "there was none": first,
		"no pods": {Ref: manifest.Ref{Kind: "ConfigMap"}, Action: patch.Configured, Before: same.Before, After: same.After},
	} {
		if stages, err := canary(shares(t, "1", 0)).Stages(patch.Plan{Writes: []patch.Write{w}}); len(stages) != 0 || err != nil {
			t.Errorf("%s: %d stages, %v", name, len(stages), err)
		}
	}
}

// TestCanaryRefused: what cannot work is said with the figures.
func TestCanaryRefused(t *testing.T) {
	for want, c := range map[string]struct {
		write  patch.Write
		shares string
	}{
		"deployment/web cannot have a canary: spec.strategy.type is Recreate":        {staged("Deployment", 4, map[string]any{"strategy": map[string]any{"type": "Recreate"}}), "1"},
		"deployment/web cannot have a canary: spec.paused is true":                   {staged("Deployment", 4, map[string]any{"paused": true}), "1"},
		"statefulset/web cannot have a canary: spec.updateStrategy.type is OnDelete": {staged("StatefulSet", 4, map[string]any{"updateStrategy": map[string]any{"type": "OnDelete"}}), "1"},
		"daemonset/web cannot have a canary: spec.updateStrategy.type is OnDelete":   {onNodes(4, map[string]any{"type": "OnDelete"}), "1"},
		"daemonset/web cannot have a canary: no node is to run it":                   {onNodes(0, nil), "1"},
		"a canary of 90% is 4 of daemonset/web's 4 pods: all of them":                {onNodes(4, nil), "90%"},
		"a canary of 4 is 4 of daemonset/web's 4 pods: all of them":                  {onNodes(4, nil), "4"},
		"a canary of 5 pods is more than the 4 that daemonset/web wants":             {onNodes(4, nil), "5"},
		"a canary of 25% is no more than the stage before: 1 of 4 pods":              {onNodes(4, nil), "5%,25%"},
		"deployment/web cannot have a canary: it is not there yet":                   {deferred(), "1"},
		"deployment/web cannot have a canary: it wants 0 pods":                       {staged("Deployment", 0, nil), "5%"},
		"a canary of 5 pods is more than the 4 that deployment/web wants":            {staged("Deployment", 4, nil), "5"},
		"a canary of 90% is 3 of statefulset/web's 3 pods: all of them":              {staged("StatefulSet", 3, nil), "90%"},
		"deployment/web wants 1 pod, and 1 new pod beside it gets half":              {staged("Deployment", 1, nil), "5%"},
		"a canary of 20% is no more than the stage before: 1 of 4 pods":              {staged("Deployment", 4, nil), "5%,20%"},
	} {
		if _, err := canary(shares(t, c.shares, 0)).Stages(patch.Plan{Writes: []patch.Write{c.write}}); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint:") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestParseShare(t *testing.T) {
	for _, text := range []string{"", "0", "0%", "-1", "101%", "x", "5 %%", "1.5"} {
		if s, err := ParseShare(text); err == nil {
			t.Errorf("%q is read as %s", text, s)
		}
	}
	for text, want := range map[string]string{"5%": `"5%"`, "0.5%": `"0.5%"`, " 3 ": `"3"`} {
		s, err := ParseShare(text)
		if err != nil {
			t.Fatal(err)
		}
		data, err := s.MarshalJSON()
		if err != nil || string(data) != want {
			t.Errorf("%s becomes %s, %v", text, data, err)
		}
		var again Share
		if err := again.UnmarshalJSON(data); err != nil || again != s {
			t.Errorf("%s comes back as %s, %v", data, again, err)
		}
	}
	var s Share
	if err := s.UnmarshalJSON([]byte("2")); err != nil || s.Pods != 2 {
		t.Errorf("a number in a file: %v, %v", s, err)
	}
}

// TestForecast: a plan tells the stages, and how long they are held.
func TestForecast(t *testing.T) {
	stages, err := canary(shares(t, "25%,50%", 10*time.Minute)).Stages(patch.Plan{Writes: []patch.Write{staged("Deployment", 4, nil)}})
	if err != nil {
		t.Fatal(err)
	}
	r := Gate{}.begin(t.Context(), "plan")
	r.forecast(stages)
	r.forecast(stages[:1])
	r.course.stop()
	want := "it goes out in 3 stages: canary 25%: new pods 1 of deployment/web, held for 10m; canary 50%: new pods 2 of deployment/web, held for 10m; promote; they are held for 20m altogether"
	if len(r.report.Notes) != 1 || r.report.Notes[0] != want {
		t.Errorf("notes %q", r.report.Notes)
	}
}

// TestStagesForSome: the stages are for some workloads, and the pods of all others become new in the first of them.
func TestStagesForSome(t *testing.T) {
	db := staged("StatefulSet", 3, nil)
	db.Ref.Name = "db"
	canaries, drained := shares(t, "1,2", time.Minute), shares(t, "1", time.Minute)
	drained.Drain = true
	for name, c := range map[string]struct {
		planner func(Delivery) Planner
		d       Delivery
		want    string
	}{
		"canaries":         {canary, canaries, "canary 1: settings web+1 db svc (web 1) judged; canary 2: web+2 (web 2) judged; promote: web judged"},
		"blue/green":       {blueGreen, previewed(0), "preview: settings db svc@OLD web+4 (web 4); switch: svc@new (web 4) judged; promote: web; unpin: svc unpins judged"},
		"drain":            {drain, Delivery{Drain: true}, "beside: settings db web+4 (web 4); drain: svc@new (web 4) judged; promote: web; unpin: svc unpins judged"},
		"drained canaries": {drain, drained, "canary 1: settings web+1 db svc (web 1) judged; beside: web+4 (web 4) judged; drain: svc@new (web 4) judged; promote: web; unpin: svc unpins judged"},
	} {
		c.d.Workloads = []string{"deployment/web"}
		stages, err := c.planner(c.d).Stages(fronted("svc changed", staged("Deployment", 4, nil), db))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := inWords(t, stages); got != c.want {
			t.Errorf("%s:\ngot  %s\nwant %s", name, got, c.want)
		}
	}
}

// TestStagesForNothing: a name that is not among the manifests is refused, and so are stages for others than those that a killed
// run was in the middle of.
func TestStagesForNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newStorefront("svc")
		g, b := f.gate(t, previewed(0))
		g.Delivery.Workloads = []string{"deployment/wbe"}
		report, err := g.Run(t.Context(), f.release())
		if report.Exit.Code != Invalid.Code() || err == nil || !strings.Contains(err.Error(), "hint: there is deployment/web") || f.history() != "" {
			t.Errorf("%+v %v, wrote %s", report.Exit, err, f.history())
		}
		g.Delivery.Workloads = []string{"deployment/web"}
		revive := f.dies(b, "web beside")
		g.Run(t.Context(), f.release())
		revive()
		time.Sleep(time.Minute)
		g.Delivery.Workloads = []string{"service/svc"}
		if report, err = g.Run(t.Context(), f.release()); report.Exit.Code != Refused.Code() || err == nil || f.history() != "" {
			t.Errorf("%+v %v, wrote %s", report.Exit, err, f.history())
		}
		g.Delivery.Workloads = []string{"deployment/web"}
		if report, err = g.Run(t.Context(), f.release()); report.Exit.Code != 0 || len(f.outages) > 0 {
			t.Errorf("%+v %v, wrote %s", report.Exit, err, f.history())
		}
	})
}
