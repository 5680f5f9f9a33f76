package diagnosis

import (
	"regexp"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Keeper is what keeps an object as its source says: an Application of Argo CD, a Kustomization of Flux.
type Keeper struct {
	Tool string // Argo CD
	Kind string // application
	// Namespace and Name are the keeper's own; empty where the object does not say.
	Namespace, Name string
	// Proof is the label, the annotation or the field manager that says so.
	Proof string

	row *keeper
}

// GitOps tells whether the keeper puts the object back by itself, from a source that is elsewhere.
func (k Keeper) GitOps() bool { return k.row != nil && k.row.suspend != nil }

// Suspend is how people have the keeper leave its objects alone for a while; "" where the object does not name it.
func (k Keeper) Suspend() string {
	if !k.GitOps() || k.Name == "" {
		return ""
	}
	return k.row.suspend(k)
}

// String names the keeper: "Argo CD application shop", "Flux Kustomization apps/shop".
func (k Keeper) String() string {
	name := k.Tool + " " + k.Kind
	switch {
	case k.Name == "":
		return k.Tool
	case k.Namespace != "":
		return name + " " + k.Namespace + "/" + k.Name
	}
	return name + " " + k.Name
}

// keeper is a tool as it is known by what it leaves on objects. A third GitOps tool is one more row of keepers.
type keeper struct {
	tool, kind string
	// source is where a change belongs that the tool is to keep.
	source string
	// names reads who keeps the object, and the label or annotation that says it; "" and "" when none does.
	names func(o rollout.Object, managed bool) (name, proof string)
	// managers are the field managers with which it writes.
	managers []string
	// spares says that the tool leaves an object alone that it has made; nil: it never does.
	spares func(rollout.Object) bool
	// suspend is the command that makes it leave its objects alone; nil for a tool that acts only when somebody calls it.
	suspend func(Keeper) string
}

// keepers are asked in this order. A chart's own labels are not enough for Helm: its output is applied by others, too.
//
// Argo CD: argo-cd.readthedocs.io, user-guide/resource_tracking and annotations-and-labels; it writes with the manager
// argocd-controller, with server-side apply and without (common.ArgoCDSSAManager). Flux: the documentation of Kustomization
// ("Suspending and resuming", "Controlling the apply behavior of resources") and of HelmRelease; its labels are on everything
// that it applies.
var keepers = []keeper{
	{
		tool: "Argo CD", kind: "application", source: "the repository of the application", names: argoApplication,
		managers: []string{"argocd-controller", "argocd-application-controller"},
		suspend:  func(k Keeper) string { return "argocd app set " + qualified(k) + " --sync-policy none" },
	},
	{
		tool: "Flux", kind: "Kustomization", source: "the source of the Kustomization", names: fluxLabels("kustomize.toolkit.fluxcd.io"),
		managers: []string{"kustomize-controller"}, spares: sparedByFlux,
		suspend: func(k Keeper) string { return "flux suspend kustomization " + k.Name + inNamespace(k) },
	},
	{
		tool: "Flux", kind: "HelmRelease", source: "the HelmRelease or its chart", names: fluxLabels("helm.toolkit.fluxcd.io"),
		managers: []string{"helm-controller"},
		suspend:  func(k Keeper) string { return "flux suspend helmrelease " + k.Name + inNamespace(k) },
	},
	{
		tool: "Helm", kind: "release", source: "the Helm release", names: helmRelease,
		managers: []string{"helm"},
	},
}

// plainName is a name of Kubernetes, with or without a namespace; what stands in an annotation may be anything.
var plainName = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?$`)

// KeeperOf tells who keeps an object, by the object alone; false when nobody does, or has been told to leave it alone.
func KeeperOf(o rollout.Object) (Keeper, bool) { return keeperOf(o, managersOf(o)) }

func keeperOf(o rollout.Object, managers []string) (Keeper, bool) {
	if o == nil {
		return Keeper{}, false
	}
	for i := range keepers {
		row := &keepers[i]
		if row.spares != nil && row.spares(o) {
			continue
		}
		manager := slices.IndexFunc(row.managers, func(m string) bool { return slices.Contains(managers, m) })
		name, proof := row.names(o, manager >= 0)
		if proof == "" && manager >= 0 {
			proof = "field manager " + row.managers[manager]
		}
		if proof == "" {
			continue
		}
		if !plainName.MatchString(name) { // it may be pasted into a shell
			name = ""
		}
		k := Keeper{Tool: row.tool, Kind: row.kind, Name: name, Proof: proof, row: row}
		if ns, rest, ok := strings.Cut(name, "/"); ok {
			k.Namespace, k.Name = ns, rest
		}
		return k, true
	}
	return Keeper{}, false
}

// managersOf are those that have written an object, but for those of its subresources.
func managersOf(objects ...rollout.Object) (names []string) {
	for _, o := range objects {
		if o == nil {
			continue
		}
		for _, e := range o.GetManagedFields() {
			if e.Subresource == "" {
				names = append(names, e.Manager)
			}
		}
	}
	return names
}

// argoApplication reads the tracking id, which names the object that it is for: a copy of it on another one, as that of a
// Deployment on its ReplicaSets, says nothing. The label that everybody uses says something only with the manager.
func argoApplication(o rollout.Object, managed bool) (name, proof string) {
	const key = "argocd.argoproj.io/tracking-id"
	if id, ok := o.GetAnnotations()[key]; ok {
		app, of, _ := strings.Cut(id, ":")
		if argoTracks(of, o) {
			if ns, rest, found := strings.Cut(app, "_"); found { // neither has one in its name
				app = ns + "/" + rest
			}
			return app, key + ": " + quote(id)
		}
		return "", ""
	}
	for _, label := range []string{"argocd.argoproj.io/instance", "app.kubernetes.io/instance"} {
		if app, ok := o.GetLabels()[label]; ok && (managed || label == "argocd.argoproj.io/instance") {
			return app, label + ": " + quote(app)
		}
	}
	return "", ""
}

// argoTracks compares an object with what a tracking id says of it: GROUP/KIND:NAMESPACE/NAME.
func argoTracks(of string, o rollout.Object) bool {
	kind, object, ok := strings.Cut(of, ":")
	if !ok {
		return true // of a form that is not known
	}
	namespace, name, ok := strings.Cut(object, "/")
	if !ok {
		return true
	}
	_, kind, _ = strings.Cut(kind, "/")
	own := o.GetObjectKind().GroupVersionKind().Kind
	same := func(a, b string) bool { return a == b || a == "" || b == "" }
	return name == o.GetName() && same(namespace, o.GetNamespace()) && same(kind, own)
}

// fluxLabels reads the labels of one of Flux's controllers.
func fluxLabels(group string) func(rollout.Object, bool) (name, proof string) {
	return func(o rollout.Object, _ bool) (name, proof string) {
		name, ok := o.GetLabels()[group+"/name"]
		if !ok {
			return "", ""
		}
		proof = group + "/name: " + quote(name)
		if ns := o.GetLabels()[group+"/namespace"]; ns != "" {
			name, proof = ns+"/"+name, proof+", "+group+"/namespace: "+quote(ns)
		}
		return name, proof
	}
}

// sparedByFlux: each is a label or an annotation. What Flux applies only if it is not there is there.
func sparedByFlux(o rollout.Object) bool {
	for _, m := range []map[string]string{o.GetLabels(), o.GetAnnotations()} {
		ssa := m["kustomize.toolkit.fluxcd.io/ssa"]
		if strings.EqualFold(m["kustomize.toolkit.fluxcd.io/reconcile"], "disabled") || strings.EqualFold(ssa, "Ignore") || strings.EqualFold(ssa, "IfNotPresent") {
			return true
		}
	}
	return false
}

func helmRelease(o rollout.Object, _ bool) (name, proof string) {
	const key = "meta.helm.sh/release-name"
	name, ok := o.GetAnnotations()[key]
	if !ok {
		return "", ""
	}
	proof = key + ": " + quote(name)
	if ns := o.GetAnnotations()["meta.helm.sh/release-namespace"]; ns != "" {
		name = ns + "/" + name
	}
	return name, proof
}

func qualified(k Keeper) string {
	if k.Namespace == "" {
		return k.Name
	}
	return k.Namespace + "/" + k.Name
}

func inNamespace(k Keeper) string {
	if k.Namespace == "" {
		return ""
	}
	return " -n " + k.Namespace
}

// Kept is an object with its keeper.
type Kept struct {
	Object manifest.Ref
	Keeper Keeper
	// Through is the object by which it is kept, as a custom resource whose controller has made it; zero: it is kept itself.
	Through manifest.Ref
}

// String says it in words: "deployment/web belongs to Flux Kustomization apps/shop".
func (k Kept) String() string {
	text := k.Object.String() + " belongs to "
	if k.Through != (manifest.Ref{}) {
		text += k.Through.String() + ", and that to "
	}
	return text + k.Keeper.String()
}
