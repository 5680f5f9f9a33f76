package diagnosis

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// fixture is the form of testdata/<family>/<case>/evidence.yaml: objects as kubectl prints them, and what no object says.
type fixture struct {
	Now      time.Time        `json:"now"`
	Since    time.Time        `json:"since"`
	Workload string           `json:"workload"` // Kind/name
	Timeout  string           `json:"timeout"`
	Goal     int32            `json:"goal"`     // of a canary
	Together []string         `json:"together"` // Kind/name
	Manifest string           `json:"manifest"`
	Previous map[string]any   `json:"previous"`
	Applied  map[string]any   `json:"applied"` // as this run wrote it; the live object when left out
	Objects  []map[string]any `json:"objects"`
	Events   []map[string]any `json:"events"`
	Logs     []Log            `json:"logs"`
	Services bool             `json:"services"` // Services were read
	Backends []Backend        `json:"backends"`
	// ServicesBefore are Services as they were before this run.
	ServicesBefore []*corev1.Service `json:"servicesBefore"`

	Names      map[string][]string            `json:"names"` // by kind
	Keys       map[string][]string            `json:"keys"`  // by Kind/name
	Requested  map[string]corev1.ResourceList `json:"requested"`
	Changed    map[string][]string            `json:"changed"` // keys by Kind/name
	Unreadable []string                       `json:"unreadable"`
	Warnings   []string                       `json:"warnings"`
	NodesDown  []string                       `json:"nodesDown"`
	Undoing    bool                           `json:"undoing"`

	// Own are expressions that decide about the workload, and what they say of it.
	Own *struct {
		Ready, Failed, By string
		Reading           rollout.Reading
	} `json:"own"`

	CriteriaFailed bool `json:"criteriaFailed"`
	History        struct {
		Best      int32          `json:"best"`
		BestSince time.Time      `json:"bestSince"`
		Falls     map[string]int `json:"falls"`
	} `json:"history"`
}

// ref reads Kind/name.
func (f fixture) ref(text, namespace string) manifest.Ref {
	kind, name, _ := strings.Cut(text, "/")
	return manifest.Ref{Kind: kind, Namespace: namespace, Name: name}
}

// folder is where a case is, whatever its family.
func folder(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join("testdata", "*", name))
	if err != nil || len(found) != 1 {
		t.Fatalf("case %s: found %v, %v", name, found, err)
	}
	return found[0]
}

// load reads one case.
func load(t *testing.T, dir string) Evidence {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "evidence.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var fix fixture
	if err := yaml.UnmarshalStrict(data, &fix); err != nil {
		t.Fatalf("%s: %v", dir, err)
	}
	kind, name, _ := strings.Cut(fix.Workload, "/")
	ev := Evidence{Logs: fix.Logs, Backends: fix.Backends, ServicesBefore: fix.ServicesBefore}
	ev.Timeout, _ = time.ParseDuration(fix.Timeout)
	w := &ev.Workload
	w.Now, w.Since, w.PodsKnown, w.ServicesKnown = fix.Now, fix.Since, true, fix.Services
	w.Goal = fix.Goal
	if own := fix.Own; own != nil {
		w.Own = &rollout.Own{Ready: own.Ready, Failed: own.Failed, By: own.By, Judge: func(map[string]any) rollout.Reading { return own.Reading }}
	}
	for _, m := range fix.Objects {
		place(t, &ev, m, kind, name)
	}
	unfold(w)
	w.Applied = w.Live
	if fix.Applied != nil {
		w.Applied = object(t, fix.Applied)
	}
	if fix.Previous != nil {
		ev.Previous = object(t, fix.Previous)
	}
	for _, m := range fix.Events {
		ev.Events = append(ev.Events, event(t, m))
	}
	for _, text := range fix.Together {
		ev.Together = append(ev.Together, fix.ref(text, w.Ref.Namespace))
	}
	ev.Warnings, w.NodesDown = fix.Warnings, fix.NodesDown
	ev.Names, ev.Requested, ev.Unreadable, ev.Undoing, ev.History = fix.Names, fix.Requested, fix.Unreadable, fix.Undoing, History(fix.History)
	ev.CriteriaFailed = fix.CriteriaFailed
	ev.Keys = map[manifest.Ref][]string{}
	for text, keys := range fix.Keys {
		ev.Keys[fix.ref(text, w.Ref.Namespace)] = keys
	}
	for _, text := range slices.Sorted(maps.Keys(fix.Changed)) {
		ev.Changed = append(ev.Changed, Changed{Object: fix.ref(text, w.Ref.Namespace), Keys: fix.Changed[text]})
	}
	if fix.Manifest != "" {
		path := filepath.Join(t.TempDir(), "web.yaml")
		if err := os.WriteFile(path, []byte(fix.Manifest), 0o600); err != nil {
			t.Fatal(err)
		}
		read, err := manifest.Read(manifest.Options{Filenames: []string{path}})
		if err != nil {
			t.Fatal(err)
		}
		read.Objects[0].Source.Path = "web.yaml"
		ev.Manifest = &read.Objects[0]
	}
	ev.Status = rollout.Evaluate(*w)
	return ev
}

// place puts an object where Evidence wants it.
func place(t *testing.T, ev *Evidence, m map[string]any, kind, name string) {
	t.Helper()
	w := &ev.Workload
	o := object(t, m)
	if m["kind"] == kind && o.GetName() == name {
		w.Live = o
		gv, _ := m["apiVersion"].(string)
		group, _, found := strings.Cut(gv, "/")
		if !found {
			group = ""
		}
		w.Ref = manifest.Ref{Group: group, Kind: kind, Namespace: o.GetNamespace(), Name: name}
	}
	switch o := o.(type) {
	case *appsv1.ReplicaSet:
		w.ReplicaSets = append(w.ReplicaSets, o)
	case *appsv1.ControllerRevision:
		w.Revisions = append(w.Revisions, o)
	case *corev1.Pod:
		w.Pods = append(w.Pods, o)
	case *corev1.Node:
		ev.Nodes = append(ev.Nodes, o)
	case *corev1.PersistentVolumeClaim:
		ev.Claims = append(ev.Claims, o)
	case *corev1.Service:
		w.Services = append(w.Services, rollout.Service{Name: o.Name, Ports: o.Spec.Ports})
		ev.Services = append(ev.Services, o)
	case *discoveryv1.EndpointSlice:
		last := &w.Services[len(w.Services)-1]
		last.Slices = append(last.Slices, o)
		ev.Slices = append(ev.Slices, o)
	case *corev1.Namespace:
		ev.Namespace = o
	case *corev1.ResourceQuota:
		ev.Quotas = append(ev.Quotas, o)
	case *autoscalingv2.HorizontalPodAutoscaler:
		ev.Autoscalers = append(ev.Autoscalers, o)
	case *networkingv1.NetworkPolicy:
		ev.Policies = append(ev.Policies, o)
	}
}

// unfold fills in what cases leave out because it repeats: a ReplicaSet without a template has the Deployment's, a pod
// without containers has those of the workload.
func unfold(w *rollout.Workload) {
	template := templateOf(w.Live)
	if template == nil {
		return
	}
	for _, rs := range w.ReplicaSets {
		if len(rs.Spec.Template.Spec.Containers) == 0 {
			template.DeepCopyInto(&rs.Spec.Template)
		}
	}
	for _, p := range w.Pods {
		if len(p.Spec.Containers) == 0 {
			node := p.Spec.NodeName
			template.Spec.DeepCopyInto(&p.Spec)
			p.Spec.NodeName = node
		}
	}
}

// object makes a typed object of the kinds that the rules know.
func object(t *testing.T, m map[string]any) rollout.Object {
	t.Helper()
	var o rollout.Object
	switch m["kind"] {
	case "Deployment":
		o = &appsv1.Deployment{}
	case "ReplicaSet":
		o = &appsv1.ReplicaSet{}
	case "StatefulSet":
		o = &appsv1.StatefulSet{}
	case "DaemonSet":
		o = &appsv1.DaemonSet{}
	case "ControllerRevision":
		o = &appsv1.ControllerRevision{}
	case "Job":
		o = &batchv1.Job{}
	case "Pod":
		o = &corev1.Pod{}
	case "Node":
		o = &corev1.Node{}
	case "PersistentVolumeClaim":
		o = &corev1.PersistentVolumeClaim{}
	case "Service":
		o = &corev1.Service{}
	case "EndpointSlice":
		o = &discoveryv1.EndpointSlice{}
	case "Namespace":
		o = &corev1.Namespace{}
	case "ResourceQuota":
		o = &corev1.ResourceQuota{}
	case "HorizontalPodAutoscaler":
		o = &autoscalingv2.HorizontalPodAutoscaler{}
	case "NetworkPolicy":
		o = &networkingv1.NetworkPolicy{}
	default:
		u := &unstructured.Unstructured{}
		data, err := json.Marshal(m)
		if err == nil {
			err = u.UnmarshalJSON(data) // which keeps whole numbers whole
		}
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	data, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, o); err != nil {
		t.Fatalf("%v: %v", m["kind"], err)
	}
	return o
}

// event reads an event of either API, as kubectl prints it.
func event(t *testing.T, m map[string]any) Event {
	t.Helper()
	data, err := yaml.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	var e corev1.Event
	if err := yaml.Unmarshal(data, &e); err != nil {
		t.Fatal(err)
	}
	o := e.InvolvedObject
	out := Event{
		Time: e.LastTimestamp.Time, First: e.FirstTimestamp.Time, Count: max(1, int(e.Count)), Warning: e.Type == "Warning",
		Reason: e.Reason, Message: strings.TrimPrefix(e.Message, "(combined from similar events): "), UID: string(o.UID),
		Object: manifest.Ref{Kind: o.Kind, Namespace: o.Namespace, Name: o.Name}, Reporter: e.Source.Component,
	}
	if out.Time.IsZero() {
		out.Time = e.EventTime.Time
	}
	if out.First.IsZero() {
		out.First = out.Time
	}
	if _, rest, ok := strings.Cut(o.FieldPath, "{"); ok {
		out.Container = strings.TrimSuffix(rest, "}")
	}
	return out
}

// excerpt is a long log as a console shows it: twenty lines around its headline.
func excerpt(p Proof) string {
	const shown = 20
	lines := strings.Split(p.Text, "\n")
	from := max(0, min(len(lines)-shown, p.Headline-1-shown/4))
	return strings.Join(lines[from:min(len(lines), from+shown)], "\n")
}

// render prints findings for a golden file: what a machine and a reader rely on.
func render(findings []Finding) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%s [%s] stage=%s layer=%s scope=%s %s", f.Code, f.Detail, f.Stage, f.Layer, f.Scope, f.Confidence)
		fmt.Fprintf(&b, " terminal=%s attempts=%d after=%s count=%d", f.Terminal, f.Attempts, f.After, f.Count)
		fmt.Fprintf(&b, " pods=%d/%d object=%s container=%s nodes=%v\n", f.PodsAffected, f.PodsTotal, f.Object, f.Container, f.Nodes)
		fmt.Fprintf(&b, "  cause: %s\n", f.Cause)
		for _, fix := range f.Fix {
			fmt.Fprintf(&b, "  fix: %s\n", fix)
		}
		fmt.Fprintf(&b, "  at: %s %s:%d\n", f.FieldPath, f.File, f.Line)
		for _, p := range f.Evidence {
			fmt.Fprintf(&b, "  %s (%s): %s\n", p.Type, p.Ref, strings.ReplaceAll(excerpt(p), "\n", "\n    "))
		}
		fmt.Fprintf(&b, "  rule: %s; %s\n", f.Rule, f.Knob)
		if len(f.Suppresses) > 0 {
			fmt.Fprintf(&b, "  suppresses: %s\n", strings.Join(f.Suppresses, ", "))
		}
	}
	if b.Len() == 0 {
		return "nothing to say\n"
	}
	return b.String()
}
