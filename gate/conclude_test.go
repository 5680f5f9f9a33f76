package gate

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestNothingRuns: the last line of a run that has proven nothing says so, whatever its code.
func TestNothingRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, c := range map[string]struct {
			verdict Verdict
			code    int
			state   string
		}{
			"passed":       {Verdict{Outcome: Passed, Nothing: []int{0}}, 0, "deployment/web is complete; nothing runs: deployment/web is at 0 replicas, so nothing was proven"},
			"inconclusive": {Verdict{Outcome: Inconclusive, Nothing: []int{0}}, 13, "the release was kept, and nothing of it runs: deployment/web is at 0 replicas"},
		} {
			r := gated(newWorld()).begin(t.Context(), "run")
			r.report.Workloads = []rollout.Status{{Ref: manifest.Ref{Kind: "Deployment", Group: "apps", Namespace: "shop", Name: "web"}, Phase: rollout.Complete, Watched: true}}
			r.conclude(c.verdict)
			if report := r.end(); report.Exit.Code != c.code || report.Exit.State != c.state {
				t.Errorf("%s: %+v", name, report.Exit)
			}
		}
	})
}

// TestGoneLater: an object that this run created is removed again when the cluster says that it is gone, not when it was
// asked to go.
func TestGoneLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(created("web", stalls(time.Second)))
		w.goneAfter = 7 * time.Second
		begun := time.Now()
		report, _ := gated(w).Run(t.Context(), w.manifests("web"))
		check(t, report, w, RolloutFailed, "thing/web is removed again (verified)", "web=0")
		if took := time.Since(begun); took < 7*time.Second {
			t.Errorf("verified after %s", took)
		}
		w = newWorld(created("web", stalls(time.Second)))
		w.goneAfter = time.Hour
		report, _ = gated(w).Run(t.Context(), w.manifests("web"))
		check(t, report, w, UndoBroken, "(unverified)", "web=0")
	})
}

// TestRefusals: who has to do something about what the API server will not take.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		w.refusals = []patch.Refusal{{Object: w.manifests("web")[0], Err: errRefused}}
		report, err := gated(w).Run(t.Context(), w.manifests("web"))
		check(t, report, w, Denied, nothingChanged, "web=1")
		if err == nil || !strings.Contains(err.Error(), "deploy.yaml:1") {
			t.Errorf("the error names no line: %v", err)
		}
		w = newWorld(good("web"))
		w.cannotUndo = []string{"update things"}
		report, err = gated(w).Run(t.Context(), w.manifests("web"))
		check(t, report, w, Denied, nothingChanged, "web=1")
		if err == nil || !strings.Contains(err.Error(), "--undo=never") {
			t.Errorf("the error has no way out: %v", err)
		}
	})
}

// TestSecretsAreHidden: what the plan knows of Secrets is heard by whoever masks it, and never told.
func TestSecretsAreHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(good("web"))
		w.planErr = errors.New("no room for hunter2hunter2")
		w.secret = "hunter2hunter2"
		g := gated(w)
		var heard []string
		g.Secrets = func(values []string) { heard = append(heard, values...) }
		report, _ := g.Run(t.Context(), w.manifests("web"))
		if len(heard) == 0 {
			t.Error("nobody was told what to mask")
		}
		walk(report, "report", func(path, text string) {
			if strings.Contains(text, w.secret) {
				t.Errorf("the secret is in %s", path)
			}
		})
	})
}

// TestAccept: what others add to a pod template beside this run's change takes nothing over; a change of what it has
// changed does.
func TestAccept(t *testing.T) {
	deployment := func(image string, env ...corev1.EnvVar) *appsv1.Deployment {
		d := &appsv1.Deployment{TypeMeta: metav1.TypeMeta{APIVersion: "apps/v1", Kind: "Deployment"}, ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: "shop", UID: "1"}}
		d.Spec.Template.Spec.Containers = []corev1.Container{{Name: "app", Image: image, Env: env}}
		return d
	}
	object := func(d *appsv1.Deployment) *unstructured.Unstructured {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(d)
		if err != nil {
			t.Fatal(err)
		}
		return &unstructured.Unstructured{Object: content}
	}
	write := patch.Write{Ref: manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Before: object(deployment("app:v1")), Written: object(deployment("app:v2"))}
	checksum := corev1.EnvVar{Name: "CHECKSUM", Value: "1"}
	for name, c := range map[string]struct {
		live   rollout.Object
		undone map[manifest.Ref]string
		want   bool
	}{
		"a variable":             {deployment("app:v2", checksum), nil, true},
		"another image":          {deployment("app:v3", checksum), nil, false},
		"gone":                   {nil, nil, false},
		"an undo accepts nobody": {deployment("app:v2", checksum), map[manifest.Ref]string{}, false},
	} {
		f := &follower{states: []state{{write: &write}}, undone: c.undone}
		if got := f.accept(0, c.live); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	f := &follower{r: &run{said: map[manifest.Ref]statusText{}}, targets: []rollout.Target{{Ref: write.Ref}}, states: []state{{write: &write, busy: map[intentKind]bool{}}}}
	f.take(answer{intent: intent{kind: readForeign}, kept: []patch.Kept{{Path: "spec.template", Manager: "reloader"}}})
	f.take(answer{intent: intent{kind: freePods}, pods: []string{"web-0"}, err: errRefused})
	var told []EventType
	for _, e := range f.r.report.Timeline {
		told = append(told, e.Type)
	}
	if len(told) != 3 || told[0] != EventWarning || told[1] != EventUndo || told[2] != EventWarning {
		t.Errorf("told %v", told)
	}
}
