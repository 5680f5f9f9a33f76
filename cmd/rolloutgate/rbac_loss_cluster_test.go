//go:build cluster

package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/rights"
)

// loss is a run without one right.
type loss struct {
	scenario scenario
	says     string // of what is missing; empty where nothing is lost
}

// bad is a scenario in which a rollout is bad: of what is there before, and of what is not.
func bad(code int, manifest string) scenario {
	return scenario{
		before: service + deployment, flags: []string{"--timeout", "60s", "--grace", "ImageNotFound=2s"},
		steps: []deed{{manifest: service + manifest, code: code}},
	}
}

func badCreation(code int, manifest string) scenario {
	return scenario{flags: []string{"--timeout", "30s"}, steps: []deed{{manifest: manifest, code: code}}}
}

// ends is a scenario whose first step ends otherwise.
func (s scenario) ends(code int, flags ...string) scenario {
	s.flags = slices.Concat(s.flags, flags)
	s.steps = []deed{{manifest: s.steps[0].manifest, code: code}}
	return s
}

// inSpec is a Deployment whose pods have one more field.
func inSpec(field string) string {
	return with(deployment, "      containers:", "      "+field+"\n      containers:")
}

// losses are runs without one right each, by the purpose of its row, or by purpose and verb where it matters which. A
// port-forward needs a real kubelet.
func losses() map[string]loss {
	all := scenarios()
	missing, better := with(deployment, ":v1", ":missing"), with(deployment, ":v1", ":v2")
	claims := with(statefulSet, "  template:", "  volumeClaimTemplates: [{metadata: {name: data}, spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}]\n  template:")
	claim := "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {storageClassName: nope, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"
	mounted := inSpec("volumes: [{name: x, configMap: {name: conf}}]")
	const token = "apiVersion: v1\nkind: Secret\nmetadata: {name: token}\nstringData: {key: abc}\n---\n"
	ofSecret := bad(10, token+missing)
	ofSecret.before = token + ofSecret.before
	gadget := all["definition"]
	gadget.steps = []deed{{manifest: with(gadget.steps[0].manifest, "widgets", "gadgets", "Widget", "Gadget")}}
	const denied = int(77)
	return map[string]loss{
		"read what is there, which is what an undo goes back to":                      {bad(denied, missing), "cannot get resource"},
		"try the manifests out and apply them/create":                                 {all["removed"].ends(denied), "cannot create resource"},
		"try the manifests out and apply them/patch":                                  {bad(denied, missing), "cannot patch resource"},
		"put back what it has changed":                                                {bad(denied, missing), "cannot update deployments"},
		"remove what it has created":                                                  {all["removed"].ends(denied), "cannot delete"},
		"delete a hook that has ended, and one of an earlier run before it runs anew": {all["hook"].ends(denied), "cannot delete"},
		"delete what is not in the manifests any more, with --prune":                  {all["prune"].ends(denied), "cannot delete configmaps"},
		"see whether pods still read what is to be deleted, with --prune":             {all["prune"].ends(0), "whether pods still read it is not known"},
		"give some nodes of a DaemonSet the new version first":                        {all["nodes-first"].ends(denied), "cannot delete pods"},
		"see which nodes of a DaemonSet have the new version by then":                 {all["nodes-first"].ends(denied), "cannot list pods"},
		"ask Prometheus, or another endpoint, through the API server's proxy":         {all["criteria"].ends(denied), "get services/proxy"},

		"give the traffic of Services to one version alone, with --blue-green, --drain and shares of traffic":   {all["traffic"].ends(denied), "services"},
		"find the pods of each version behind these Services, with --blue-green, --drain and shares of traffic": {all["traffic"].ends(denied), "cannot list resource"},
		"make a Service for the new pods, and delete it again, with shares of traffic/create":                   {all["traffic"].ends(denied), "cannot create"},
		"make a Service for the new pods, and delete it again, with shares of traffic/delete":                   {all["traffic"].ends(denied), "cannot delete services"},
		"share the requests of routes between two versions, with shares of traffic":                             {all["traffic"].ends(denied), "httproutes"},
		"see when these routes are followed, with shares of traffic":                                            {all["traffic"].ends(0), "it is read every few seconds instead"},

		"keep other runs away from the same objects/create":           {bad(10, missing), "may not use leases"},
		"keep other runs away from the same objects/list":             {bad(10, missing), "may not use leases"},
		"keep other runs away from the same objects":                  {bad(10, missing), ""}, // its lease runs out by itself
		"keep the run on record, for undo, resume and history/create": {ofSecret, "may not keep the run on record"},
		"keep the run on record, for undo, resume and history/update": {bad(10, missing), "could not be put on record"},
		"keep the run on record, for undo, resume and history":        {bad(10, missing), ""}, // other commands need it

		"keep the run on record in a ConfigMap if it may not use Secrets, and find those that are kept there": {bad(10, missing), ""}, // it may

		"follow the rollout/list":                                            {bad(10, missing), ""}, // a watch begins with what is there
		"follow the rollout/watch":                                           {bad(10, missing), "it is read every few seconds instead"},
		"tell the new pods of a Deployment from the old ones":                {bad(11, missing).ends(11, "--timeout", "30s"), "replicasets"},
		"tell the new pods of a StatefulSet or DaemonSet from the old ones":  {all["daemon"].ends(11, "--timeout", "30s"), "controllerrevisions"},
		"see what is wrong with pods/list":                                   {bad(10, missing), "pods"},
		"see what is wrong with pods/watch":                                  {bad(10, missing), "pods"},
		"read the warnings about pods":                                       {bad(10, missing), "events in"},
		"read why a container ended":                                         {all["crash"], "pods/log"},
		"find the Services that select the pods":                             {bad(0, better), "Services of deployment/web"},
		"see whether Services send traffic to the new pods/list":             {bad(0, better), ""},
		"see whether Services send traffic to the new pods/watch":            {bad(0, better), "whether Services send traffic to the new pods is not checked"},
		"see which ports Ingresses and routes send traffic to":               {bad(0, better), "Ingresses in"},
		"leave the number of replicas to an autoscaler":                      {bad(10, missing), "horizontalpodautoscalers"},
		"free a StatefulSet that a broken pod blocks":                        {all["stuck"].ends(20, "--undo-timeout", "10s"), "cannot delete resource"},
		"leave one bad pod out of the undo, with --keep-bad-pod":             {bad(10, missing).ends(10, "--keep-bad-pod"), "no bad pod could be kept"},
		"choose the nodes of a canary by their label, and none that is down": {all["nodes-first"], "chosen by name alone"},
		"see whether quotas stop pods":                                       {bad(10, missing), "resourcequotas"},
		"see whether the namespace is going away, and which pods it refuses": {
			bad(10, missing), "namespaces"},
		"see what network policies keep away from pods": {bad(10, missing), "networkpolicies"},
		"see why volumes are not there/get":             {badCreation(11, claims), "persistentvolumeclaims"},
		"see why volumes are not there/list":            {badCreation(11, inSpec("volumes: [{name: x, persistentVolumeClaim: {claimName: nope}}]")), "persistentvolumeclaims"},
		"tell a misspelt name or key from one that is missing/get": {scenario{
			before: configMap + mounted, flags: []string{"--timeout", "30s"}, steps: []deed{{manifest: with(mounted, "behavior: ready", "behavior: mount-missing"), code: 11}},
		}, "configmaps"},
		"tell a misspelt name or key from one that is missing/list": {bad(10, with(deployment, "behavior: ready", "behavior: config-missing")), "configmaps"},
		"tell a misspelt Secret from one that is missing":           {bad(10, with(deployment, "behavior: ready", "behavior: mount-missing")), "secrets"},
		"tell a misspelt ServiceAccount from one that is missing":   {badCreation(11, inSpec("serviceAccountName: nope")), "serviceaccounts"},
		"see why pods are not scheduled":                            {bad(10, missing), "nodes"},
		"see how much room nodes have left":                         {badCreation(11, with(deployment, `v1"}`, `v1", resources: {requests: {cpu: "5000"}}}`)), "pods of other namespaces"},
		"see how volumes are made/get":                              {badCreation(11, claim), "StorageClass of"},
		"see how volumes are made/list":                             {badCreation(11, claim), "storageclasses"},
		"tell a misspelt PriorityClass from one that is missing":    {badCreation(11, inSpec("priorityClassName: nope")), "priorityclasses"},
		"tell a misspelt RuntimeClass from one that is missing":     {badCreation(11, inSpec("runtimeClassName: nope")), "runtimeclasses"},
		"say on a workload, as Events, that a run has begun and how it has ended, with --events": {
			all["told"], "telling Kubernetes of the run: writing an Event about deployment/web"},
		"see whether anything of a kind is left before it removes the CRD that it has created": {
			gadget.ends(20), "that may not be listed"},
		"see whether anything is left in a namespace before it removes it again": {
			badCreation(20, "apiVersion: v1\nkind: Namespace\nmetadata: {name: NAMESPACE-more}\n---\n"+missing).ends(20, "--grace", "ImageNotFound=2s"), "that may not be listed"},
	}
}

// onRealNodes are the rows whose loss shows on a real kubelet only.
var onRealNodes = []string{
	"ask Prometheus by port-forward", "find the pods for a port-forward", "find the port of the pods for a port-forward",
	"ask Prometheus by port-forward when the proxy does not lead there", "find the pods for that port-forward",
}

// TestRightsMayBeMissing takes each right away from an account that has all others. A right that rbac calls necessary
// refuses the run before anything is changed; without any other the run ends as it should, and says what it went without.
func TestRightsMayBeMissing(t *testing.T) {
	needsAudit(t)
	if err := installGatewayAPI("httproutes"); err != nil {
		t.Fatal(err)
	}
	host, port := publishPrometheus(t)
	ctx, cancel := context.WithTimeout(t.Context(), rightsTime)
	defer cancel()
	dir, all := t.TempDir(), losses()
	var running sync.WaitGroup
	slots := make(chan struct{}, 12)
	for n, row := range rights.Table() {
		if slices.Contains(onRealNodes, row.Purpose) {
			continue
		}
		for _, verb := range row.Verbs {
			l, ok := all[row.Purpose+"/"+verb]
			if !ok {
				l, ok = all[row.Purpose]
			}
			if !ok {
				t.Errorf("there is no run without the right to %s (%s)", row.Purpose, verb)
				continue
			}
			slots <- struct{}{}
			running.Go(func() {
				defer func() { <-slots }()
				if err := lose(ctx, dir, fmt.Sprintf("l%d%s", n, verb), row, verb, l, host, port); err != nil {
					t.Errorf("without the right to %s, to %s: %v", verb, row.Purpose, err)
				}
			})
		}
	}
	running.Wait()
	for key := range maps.Keys(all) {
		purpose, _, _ := strings.Cut(key, "/")
		if !slices.ContainsFunc(rights.Table(), func(r rights.Row) bool { return r.Purpose == purpose || r.Purpose == key }) {
			t.Errorf("rights.Table has no row %q", key)
		}
	}
}

// lose does a scenario without one verb of one row, and looks at what came of it.
func lose(ctx context.Context, dir, name string, row rights.Row, verb string, l loss, host, port string) error {
	tenant, err := newTenant(ctx, dir, name)
	if err != nil {
		return err
	}
	defer tenant.remove()
	s := l.scenario
	s.steps = []deed{{manifest: strings.ReplaceAll(s.steps[0].manifest, "NAMESPACE", tenant.namespace), code: s.steps[0].code}}
	if err := tenant.play(ctx, s, host, port, tenant.without(s, row, verb)); err != nil {
		return err
	}
	if !strings.Contains(strings.ReplaceAll(tenant.last.out, `\"`, `"`), l.says) {
		return fmt.Errorf("it does not say %q: %s", l.says, tenant.last.out)
	}
	refused := tenant.last.code == gate.Denied.Code()
	if refused == row.Optional() {
		return fmt.Errorf("the right is optional: %t, and the run was refused: %t", row.Optional(), refused)
	}
	if !refused {
		return nil
	}
	asked, err := tenant.requests()
	for _, r := range asked {
		if r.writes() && !strings.Contains(r.RequestURI, "/leases") { // its lock, which it has given back
			return fmt.Errorf("a refused run did %s", r)
		}
	}
	return err
}

// writes tells whether a request has changed something.
func (r request) writes() bool {
	return slices.Contains([]string{"create", "update", "patch", "delete"}, r.Verb) && r.ResponseStatus.Code < 300 && !strings.Contains(r.RequestURI, "dryRun=All")
}

// without takes a verb away for the resources of a row. Of what is granted in the whole cluster it is taken away there, so
// that the Role of the namespace stays; otherwise everywhere, for a ClusterRole counts in the namespace too.
func (t *tenant) without(s scenario, row rights.Row, verb string) func(string, *rbacv1.PolicyRule) {
	return func(namespace string, rule *rbacv1.PolicyRule) {
		needed, err := t.needed(s)
		if err != nil {
			panic(err) // rbac has read the same file
		}
		for _, right := range needed {
			if right.Purpose != row.Purpose || right.Namespace == "" && namespace != "" || !slices.Contains(rule.APIGroups, right.Group) {
				continue
			}
			if slices.ContainsFunc(right.Resources, func(r string) bool { return slices.Contains(rule.Resources, r) }) {
				rule.Verbs = slices.DeleteFunc(rule.Verbs, func(v string) bool { return v == verb })
			}
		}
	}
}
