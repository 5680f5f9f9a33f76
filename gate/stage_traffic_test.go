package gate

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// sharing asks for shares of the requests.
func sharing(percents ...float64) Delivery {
	var d Delivery
	for _, p := range percents {
		d.Parts = append(d.Parts, Part{Traffic: p, Hold: time.Minute})
	}
	return d
}

// serviceNamed is a Service of the namespace shop; fields are those of its spec beside its selector and port.
func serviceNamed(name string, fields map[string]any) *unstructured.Unstructured {
	spec := map[string]any{
		"type": "NodePort", "clusterIP": "10.0.0.1", "selector": map[string]any{"app": "web"},
		"ports": []any{map[string]any{"name": "http", "port": int64(80), "targetPort": "http", "nodePort": int64(30080)}},
	}
	for name, value := range fields {
		spec[name] = value
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "Service", "metadata": map[string]any{"name": name, "namespace": "shop"}, "spec": spec,
	}}
}

// routeTo is an HTTPRoute of a namespace that sends everything to one Service; namespaced, as an entry names it.
func routeTo(namespace, service, serviceNamespace string) *unstructured.Unstructured {
	ref := map[string]any{"name": service, "port": int64(80)}
	if serviceNamespace != "" {
		ref["namespace"] = serviceNamespace
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": map[string]any{"name": "public", "namespace": namespace},
		"spec": map[string]any{"rules": []any{map[string]any{"backendRefs": []any{ref}}}},
	}}
}

// routed is a cluster with HTTPRoutes and Services in front of its Deployments.
type routed struct {
	world    *world
	routes   []*unstructured.Unstructured
	unserved bool
	front    rollout.Front
}

func (c *routed) routesOf() ([]*unstructured.Unstructured, bool, error) {
	return c.routes, !c.unserved, nil
}

// planOf is what a run with shares plans when its Deployment changes.
func (c *routed) planOf(t *testing.T, d Delivery, also ...patch.Write) (patch.Plan, error) {
	t.Helper()
	c.world.routes, c.world.front = c.routesOf, c.front
	r := Gate{Cluster: c.world, Delivery: d, FieldManager: "rolloutgate"}.begin(t.Context(), "run")
	defer r.course.stop()
	plan, err := r.withPins(t.Context(), patch.Plan{Writes: append(also, staged("Deployment", 4, nil))})
	if err == nil {
		err = r.unpinnable
	}
	return plan, err
}

// story is what stages write, in short.
func story(stages []Stage) string {
	var all []string
	for _, s := range stages {
		text := s.Name
		for _, w := range s.Writes {
			text += " " + w.Ref.String()
			switch {
			case w.Split != nil:
				refs, _, _ := unstructured.NestedSlice(w.Sent.Object, "spec", "rules")
				for _, b := range refs[0].(map[string]any)["backendRefs"].([]any) {
					text += fmt.Sprintf(" %s:%d", b.(map[string]any)["name"], b.(map[string]any)["weight"])
				}
			case w.Pin != nil && w.Pin.To == "":
				text += "=new"
			case w.Pin != nil:
				text += "=" + w.Pin.To
			}
		}
		for ref, pods := range s.Goals {
			text += fmt.Sprintf(", %d new of %s", pods, ref)
		}
		if s.Rest > 0 {
			text += ", rests"
		}
		if s.Judge {
			text += ", judged"
		}
		if s.Hold > 0 {
			text += ", held"
		}
		if s.Unsplit {
			text += ", unsplit"
		}
		if s.Unpin {
			text += ", unpin"
		}
		for _, ref := range s.Deletes {
			text += ", deletes " + ref.Name
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n")
}

// TestTrafficStages: a Service and a route that are only in the cluster, and ones that are among the manifests.
func TestTrafficStages(t *testing.T) {
	front := rollout.Front{Revision: "old", Services: []*unstructured.Unstructured{serviceNamed("web", nil)}}
	c := routed{world: newWorld(), routes: []*unstructured.Unstructured{routeTo("shop", "web", "")}, front: front}
	own := routeTo("shop", "web", "")
	manifests := patch.Write{
		Ref: manifest.Object{Unstructured: own}.Ref(), Action: patch.Configured, Before: own.DeepCopy(), Sent: own.DeepCopy(), After: own.DeepCopy(),
		Object: manifest.Object{Unstructured: own},
	}
	const begin = `beside service/web=old deployment/web, 4 new of deployment/web
traffic 0% service/web-rolloutgate=new, 4 new of deployment/web, rests
traffic 5% httproute/public web:95 web-rolloutgate:5, 4 new of deployment/web, judged, held
traffic 50% httproute/public web:50 web-rolloutgate:50, 4 new of deployment/web, judged, held
traffic 100% service/web=new`
	for want, also := range map[string][]patch.Write{
		begin + `, 4 new of deployment/web, rests, judged, unsplit
promote deployment/web
unpin, judged, unpin, deletes web-rolloutgate`: nil,
		begin + ` httproute/public, 4 new of deployment/web, rests, judged, unsplit
promote deployment/web
unpin, judged, unpin, deletes web-rolloutgate`: {manifests},
	} {
		plan, err := c.planOf(t, sharing(5, 50), also...)
		if err != nil {
			t.Fatal(err)
		}
		stages, err := traffic(sharing(5, 50)).Stages(plan)
		if got := story(stages); err != nil || got != want {
			t.Errorf("%v\ngot  %s\nwant %s", err, got, want)
		}
		if text := stages[2].text(); text != "traffic 5% of the requests by httproute/public, held for 1m" {
			t.Errorf("forecast: %s", text)
		}
		if stages[2].Service != "web-rolloutgate" {
			t.Errorf("a test would ask %q", stages[2].Service)
		}
	}
}

// TestBesideOf: what the Service for the new pods has of the other one, and what it must not have.
func TestBesideOf(t *testing.T) {
	u := besideOf(serviceNamed("web", map[string]any{
		"selector": map[string]any{"app": "web", "pod-template-hash": "old"}, "sessionAffinity": "None", "externalTrafficPolicy": "Cluster",
	}))
	got, err := u.MarshalJSON()
	const want = `{"apiVersion":"v1","kind":"Service","metadata":{"labels":{"rolloutgate.dev/beside":"web"},"name":"web-rolloutgate","namespace":"shop"},` +
		`"spec":{"ports":[{"name":"http","port":80,"targetPort":"http"}],"selector":{"app":"web"},"sessionAffinity":"None","type":"ClusterIP"}}`
	if err != nil || strings.TrimSpace(string(got)) != want {
		t.Errorf("got  %s, %v\nwant %s", got, err, want)
	}
	long := strings.Repeat("a", 44) + "-" + strings.Repeat("b", 18)
	if name := besideName(long); len(name) > 63 || name == besideName(long[:62]+"c") || !strings.HasSuffix(name, "-rolloutgate") || strings.Contains(name, "--") {
		t.Errorf("%s has %d letters", name, len(name))
	}
	if name := besideName(long[:51]); name != long[:51]+"-rolloutgate" {
		t.Errorf("%s", name)
	}
}

// TestTrafficRefused: what cannot work is said before anything is written, with a way out.
func TestTrafficRefused(t *testing.T) {
	web := []*unstructured.Unstructured{serviceNamed("web", nil)}
	here := []*unstructured.Unstructured{routeTo("shop", "web", "")}
	away := routeTo("infra", "web", "shop")
	foreign := patch.Write{
		Ref: manifest.Object{Unstructured: away}.Ref(), Action: patch.Configured, Before: away, Sent: away, After: away,
		Object: manifest.Object{Unstructured: away},
	}
	left := serviceNamed("web-rolloutgate", nil)
	left.SetLabels(map[string]string{besideLabel: "web"})
	heavy := routeTo("shop", "web", "")
	unstructured.SetNestedSlice(heavy.Object, []any{map[string]any{"backendRefs": []any{
		map[string]any{"name": "web", "weight": int64(1)}, map[string]any{"name": "other", "weight": int64(1000000)},
	}}}, "spec", "rules")
	for want, c := range map[string]struct {
		routed
		also []patch.Write
	}{
		"no HTTPRoute sends any to its Services (it has none)":                    {routed: routed{routes: here}},
		"no HTTPRoute sends any to its Services (service/web)":                    {routed: routed{front: rollout.Front{Services: web}}},
		"this cluster has no HTTPRoutes":                                          {routed: routed{front: rollout.Front{Services: web}, unserved: true}},
		"service/web has no address of its own (clusterIP: None)":                 {routed: routed{routes: here, front: rollout.Front{Services: []*unstructured.Unstructured{serviceNamed("web", map[string]any{"clusterIP": "None"})}}}},
		"httproute/public sends requests to service/web of another namespace":     {routed: routed{routes: here, front: rollout.Front{Services: web}}, also: []patch.Write{foreign}},
		"service/web-rolloutgate is there already":                                {routed: routed{routes: here, front: rollout.Front{Services: append(web, left)}}},
		"the weight 1 of service/web beside one of 1000000 cannot be split":       {routed: routed{routes: []*unstructured.Unstructured{heavy}, front: rollout.Front{Services: web}}},
		"the traffic of service/web cannot be given to one revision of deploymen": {routed: routed{routes: here, front: rollout.Front{Services: web, Shared: []string{"web"}}}},
	} {
		c.world, c.front.Revision = newWorld(), "old"
		plan, err := c.planOf(t, sharing(5), c.also...)
		if err == nil {
			_, err = traffic(sharing(5)).Stages(plan)
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "hint: ") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// TestTrafficUndone: the old pods get all requests back first, and while they have them, the new pods end; the Services
// go back last.
func TestTrafficUndone(t *testing.T) {
	for name, c := range map[string]struct {
		ready int32 // old pods
		log   string
	}{
		"the old pods are there": {4, "write svc, write dep, write beside, write route, undo route, undo dep, undo beside, undo svc"},
		"they are not":           {0, "write svc, write dep, write beside, write route, undo route, undo beside, undo svc, undo dep"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(good("svc"), bad("dep", later(30*time.Second, becomesReady(0), stalls(0))), created("beside", becomesReady(0)), good("route"))
				w.front = rollout.Front{Revision: "old", Ready: c.ready, Pods: c.ready, Wanted: 4}
				g := gated(w)
				g.Planners = []Planner{{Name: "shared", Stages: func(p patch.Plan) ([]Stage, error) {
					of := p.Writes[1].Ref
					p.Writes[0].Pin = &patch.Pin{Of: of, Old: "old", To: "old"}
					p.Writes[2].Pin, p.Writes[2].OfRun = &patch.Pin{Of: of, To: "new"}, true
					p.Writes[3].Split = &patch.Split{Of: of, To: map[string]string{"svc": "beside"}, Percent: 5}
					return []Stage{{Name: "beside", Writes: p.Writes[:3]}, {Name: "traffic 5%", Writes: p.Writes[3:], Hold: time.Minute, Judge: true}}, nil
				}}}
				var back, ends time.Time
				w.onWrite = func(_ int, what string) {
					switch what {
					case "undo route":
						back = time.Now()
					case "undo dep":
						ends = time.Now()
					}
				}
				report, _ := g.Run(t.Context(), w.manifests("svc", "dep", "beside", "route"))
				check(t, report, w, RolloutFailed, "", "beside=0 dep=1 route=1 svc=1")
				if w.history() != c.log {
					t.Errorf("wrote %s\nwant  %s", w.history(), c.log)
				}
				if c.ready > 0 && ends.Sub(back) < min(drainTime, g.UndoTimeout/4) {
					t.Errorf("the new pods ended %s after their requests", ends.Sub(back))
				}
			})
		})
	}
}
