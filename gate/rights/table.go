package rights

import (
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Row is one purpose for which a run makes calls.
type Row struct {
	// Purpose is what the calls are for, as an end of "a run has to …". No two rows have the same.
	Purpose string
	Verbs   []string
	// On are the resources of the calls, with their groups; empty: those of the objects themselves.
	On []Place
	// Without is what is lost without the right, as a whole sentence without its full stop. Empty: a run is refused
	// before it changes anything.
	Without string
	// Beware is what the right allows beyond its purpose; empty for most.
	Beware string

	// wanted tells for which objects the row is; nil: for all.
	wanted func(Use, facts) bool
	// wide says that the calls are about the whole cluster.
	wide bool
	// of are places that are not the same for each object, in words for people.
	of    func(Use) []Place
	words string
}

// Place is where calls go.
type Place struct{ Group, Resource, Namespace string }

// Optional tells whether a run goes on without the right.
func (r Row) Optional() bool { return r.Without != "" }

// Table has every purpose, in the order of a run. Discovery, OpenAPI and the questions who the account is and what it
// may do are not in it: Kubernetes lets everybody ask them who has an account.
func Table() []Row {
	return []Row{
		{Purpose: "read what is there, which is what an undo goes back to", Verbs: []string{"get"}},
		{Purpose: "try the manifests out and apply them", Verbs: []string{"create", "patch"}},
		{Purpose: "put back what it has changed", Verbs: []string{"update"}, wanted: undone},
		{Purpose: "remove what it has created", Verbs: []string{"delete"}, wanted: undone},
		{Purpose: "delete a hook that has ended, and one of an earlier run before it runs anew", Verbs: []string{"delete"}, wanted: isHook},
		{Purpose: "delete what is not in the manifests any more, with --prune", Verbs: []string{"delete"}, wanted: prunes},
		{
			Purpose: "see whether pods still read what is to be deleted, with --prune", Verbs: []string{"list"}, wanted: pruned,
			On: []Place{
				{Group: "apps", Resource: "deployments"}, {Group: "apps", Resource: "statefulsets"}, {Group: "apps", Resource: "daemonsets"}, {Group: "apps", Resource: "replicasets"},
				{Resource: "replicationcontrollers"}, {Group: "batch", Resource: "jobs"}, {Group: "batch", Resource: "cronjobs"}, {Resource: "pods"},
			},
			Without: "a ConfigMap, a Secret, a ServiceAccount or a claim is not pruned",
		},
		{
			Purpose: "give some nodes of a DaemonSet the new version first", Verbs: []string{"delete"}, On: []Place{{Resource: "pods"}}, wanted: replacesPods,
		},
		{
			Purpose: "see which nodes of a DaemonSet have the new version by then", Verbs: []string{"list"},
			On: []Place{{Resource: "pods"}, {Group: "apps", Resource: "controllerrevisions"}}, wanted: replacesPods,
		},
		{
			Purpose: "ask Prometheus, or another endpoint, through the API server's proxy", Verbs: []string{"get"}, of: proxied, words: "services/proxy",
		},
		{
			Purpose: "ask Prometheus by port-forward", Verbs: []string{"get", "create"}, of: forwarded(true, "", "pods/portforward"), words: "pods/portforward",
		},
		{
			Purpose: "find the pods for a port-forward", Verbs: []string{"list"}, of: forwarded(true, "discovery.k8s.io", "endpointslices"), words: "endpointslices.discovery.k8s.io",
		},
		{
			Purpose: "ask Prometheus by port-forward when the proxy does not lead there", Verbs: []string{"get", "create"},
			of: forwarded(false, "", "pods/portforward"), words: "pods/portforward",
			Without: "a Prometheus that the API server cannot reach is not asked, and the run ends before it changes anything",
		},
		{
			Purpose: "find the pods for that port-forward", Verbs: []string{"list"}, of: forwarded(false, "discovery.k8s.io", "endpointslices"), words: "endpointslices.discovery.k8s.io",
			Without: "a Prometheus that the API server cannot reach is not asked, and the run ends before it changes anything",
		},
		{
			Purpose: "find the port of the pods for a port-forward", Verbs: []string{"get"}, of: serviceOfPrometheus, words: "services",
			Without: "a port that has another number or name at the pods is not found by a port-forward",
		},
		{
			Purpose: "keep other runs away from the same objects", Verbs: []string{"get", "list", "create", "patch", "delete"}, of: leases,
			words:   "leases.coordination.k8s.io",
			Without: "two runs can be at work on the same objects, and nothing but the conditions of each write protects them",
		},
		{
			Purpose: "keep the run on record, for undo, resume and history", Verbs: []string{"get", "list", "create", "update", "delete"}, of: records("secrets"),
			words:   "secrets",
			Without: "the run is kept in a ConfigMap; one with a Secret among its objects is not kept, so no other command can put it back when it is killed, and it is not in the history",
			Beware:  "a right for these Secrets is one for all in the namespace; with --record none or file it is not needed",
		},
		{
			Purpose: "keep the run on record in a ConfigMap if it may not use Secrets, and find those that are kept there", Verbs: []string{"get", "list", "create", "update", "delete"}, of: records("configmaps"),
			words:   "configmaps",
			Without: "a run whose account may not use Secrets is not kept, and one that another account keeps in a ConfigMap is not found",
			Beware:  "a right for these ConfigMaps is one for all in the namespace; with --record none or file it is not needed",
		},
		{
			Purpose: "follow the rollout", Verbs: []string{"list", "watch"}, wanted: watched,
			Without: "the object is read every two seconds instead",
		},
		{
			Purpose: "tell the new pods of a Deployment from the old ones", Verbs: []string{"list"},
			On: []Place{{Group: "apps", Resource: "replicasets"}}, wanted: owns(rollout.ReplicaSets),
			Without: "pods are not looked at while the rollout goes on, and a bad one is noticed when its time is up",
		},
		{
			Purpose: "tell the new pods of a StatefulSet or DaemonSet from the old ones", Verbs: []string{"list"},
			On: []Place{{Group: "apps", Resource: "controllerrevisions"}}, wanted: owns(rollout.ControllerRevisions),
			Without: "the pods of a DaemonSet are not looked at while the rollout goes on, and a bad one is noticed when its time is up",
		},
		{
			Purpose: "give the traffic of Services to one version alone, with --blue-green, --drain and shares of traffic", Verbs: []string{"get", "list", "patch", "update"},
			On: []Place{{Resource: "services"}}, wanted: pinned,
		},
		{
			Purpose: "find the pods of each version behind these Services, with --blue-green, --drain and shares of traffic", Verbs: []string{"list"},
			On: []Place{{Resource: "pods"}, {Group: "apps", Resource: "replicasets"}}, wanted: pinned,
		},
		{
			Purpose: "make a Service for the new pods, and delete it again, with shares of traffic", Verbs: []string{"create", "delete"},
			On: []Place{{Resource: "services"}}, wanted: shared,
		},
		{
			Purpose: "share the requests of routes between two versions, with shares of traffic", Verbs: []string{"get", "list", "patch", "update"},
			On: []Place{{Group: "gateway.networking.k8s.io", Resource: "httproutes"}}, wanted: shared,
		},
		{
			Purpose: "see when these routes are followed, with shares of traffic", Verbs: []string{"watch"},
			On: []Place{{Group: "gateway.networking.k8s.io", Resource: "httproutes"}}, wanted: shared,
			Without: "a route is read every two seconds instead",
		},
		{
			Purpose: "see what is wrong with pods", Verbs: []string{"list", "watch"}, On: []Place{{Resource: "pods"}}, wanted: hasPods,
			Without: "a bad rollout is noticed when its time is up, and most causes are not known",
		},
		{
			Purpose: "read the warnings about pods", Verbs: []string{"list", "watch"}, On: []Place{{Resource: "events"}}, wanted: watchedIn,
			Without: "causes are judged from the status of the pods alone",
		},
		{
			Purpose: "read why a container ended", Verbs: []string{"get"}, On: []Place{{Resource: "pods/log"}}, wanted: hasPods,
			Without: "logs are not read",
		},
		{
			Purpose: "find the Services that select the pods", Verbs: []string{"list"}, On: []Place{{Resource: "services"}}, wanted: hasPods,
			Without: "whether Services send traffic to the new pods is not checked",
		},
		{
			Purpose: "see whether Services send traffic to the new pods", Verbs: []string{"list", "watch"},
			On: []Place{{Group: "discovery.k8s.io", Resource: "endpointslices"}}, wanted: hasPods,
			Without: "whether Services send traffic to the new pods is not checked",
		},
		{
			Purpose: "see which ports Ingresses and routes send traffic to", Verbs: []string{"list"},
			On:     []Place{{Group: "networking.k8s.io", Resource: "ingresses"}, {Group: "gateway.networking.k8s.io", Resource: "httproutes"}},
			wanted: hasPods, Without: "a port that an Ingress or a route sends traffic to, and no Service has, is not noticed",
		},
		{
			Purpose: "leave the number of replicas to an autoscaler", Verbs: []string{"list"},
			On: []Place{{Group: "autoscaling", Resource: "horizontalpodautoscalers"}}, wanted: hasPods,
			Without: "spec.replicas is applied as written",
		},
		{
			Purpose: "free a StatefulSet that a broken pod blocks", Verbs: []string{"delete"}, On: []Place{{Resource: "pods"}}, wanted: getsStuck,
			Without: "the undo of a StatefulSet can stay blocked by a pod that never became ready, and ends with 20",
		},
		{
			Purpose: "leave one bad pod out of the undo, with --keep-bad-pod", Verbs: []string{"get", "patch"}, On: []Place{{Resource: "pods"}}, wanted: keepsPod,
			Without: "no pod is left for a person to look at",
			Beware:  "where the API server guards the owners of objects (OwnerReferencesPermissionEnforcement), the right to delete pods is needed as well",
		},
		{
			Purpose: "choose the nodes of a canary by their label, and none that is down", Verbs: []string{"list"}, On: []Place{{Resource: "nodes"}}, wanted: replacesPods, wide: true,
			Without: "the nodes of a canary are chosen by name alone, and one that is down may be among them",
		},
		{
			Purpose: "see whether quotas stop pods", Verbs: []string{"list"}, On: []Place{{Resource: "resourcequotas"}}, wanted: watchedIn,
			Without: "how much of a quota is left is not said",
		},
		{
			Purpose: "see whether the namespace is going away, and which pods it refuses", Verbs: []string{"get"},
			On: []Place{{Resource: "namespaces"}}, wanted: watchedIn,
			Without: "that the namespace is being deleted is not noticed",
		},
		{
			Purpose: "see what network policies keep away from pods", Verbs: []string{"list"},
			On: []Place{{Group: "networking.k8s.io", Resource: "networkpolicies"}}, wanted: hasPods,
			Without: "a network policy is not suspected",
		},
		{
			Purpose: "see why volumes are not there", Verbs: []string{"get", "list"}, On: []Place{{Resource: "persistentvolumeclaims"}}, wanted: mountsClaims,
			Without: "why a claim is not bound is not known",
		},
		{
			Purpose: "tell a misspelt name or key from one that is missing", Verbs: []string{"get", "list"}, On: []Place{{Resource: "configmaps"}}, wanted: hasPods,
			Without: "a misspelt ConfigMap or key is not recognised as such",
		},
		{
			Purpose: "tell a misspelt Secret from one that is missing", Verbs: []string{"list"}, On: []Place{{Resource: "secrets"}}, wanted: hasPods,
			Without: "a misspelt Secret is not recognised as such",
			Beware:  "only names are asked for, but Kubernetes has no right for names alone: who may list Secrets may read them",
		},
		{
			Purpose: "tell a misspelt ServiceAccount from one that is missing", Verbs: []string{"list"}, On: []Place{{Resource: "serviceaccounts"}}, wanted: hasPods,
			Without: "a misspelt ServiceAccount is not recognised as such",
		},
		{
			Purpose: "see why pods are not scheduled", Verbs: []string{"list"}, On: []Place{{Resource: "nodes"}}, wanted: watchedIn, wide: true,
			Without: "which node lacks what a pod asks for is not said, and a DaemonSet waits for nodes that are down",
		},
		{
			Purpose: "see how much room nodes have left", Verbs: []string{"list"}, On: []Place{{Resource: "pods"}}, wanted: hasPods, wide: true,
			Without: "how much CPU and memory is free is not said",
		},
		{
			Purpose: "see how volumes are made", Verbs: []string{"get", "list"}, On: []Place{{Group: "storage.k8s.io", Resource: "storageclasses"}}, wanted: mountsClaims, wide: true,
			Without: "a claim that waits for its first pod looks as if it were stuck, and a misspelt StorageClass is not recognised as such",
		},
		{
			Purpose: "tell a misspelt PriorityClass from one that is missing", Verbs: []string{"list"},
			On: []Place{{Group: "scheduling.k8s.io", Resource: "priorityclasses"}}, wanted: namesPriority, wide: true,
			Without: "a misspelt PriorityClass is not recognised as such",
		},
		{
			Purpose: "tell a misspelt RuntimeClass from one that is missing", Verbs: []string{"list"},
			On: []Place{{Group: "node.k8s.io", Resource: "runtimeclasses"}}, wanted: namesRuntime, wide: true,
			Without: "a misspelt RuntimeClass is not recognised as such",
		},
		{
			Purpose: "say on a workload, as Events, that a run has begun and how it has ended, with --events", Verbs: []string{"create"},
			On: []Place{{Resource: "events"}}, wanted: told,
			Without: "no Event is written, and a warning says so",
		},
		{
			Purpose: "see whether anything of a kind is left before it removes the CRD that it has created", Verbs: []string{"list"}, of: definedKinds, words: "the kinds of CRDs in the manifests (in the whole cluster)",
			Without: "the undo leaves a CRD that the run has created",
		},
		{
			Purpose: "see whether anything is left in a namespace before it removes it again", Verbs: []string{"list"}, of: createdNamespaces, words: "everything in namespaces of the manifests",
			Without: "the undo leaves a namespace that the run has created",
		},
	}
}

// places are where a row's calls go in a use.
func (r Row) places(u Use) []Place {
	if r.of != nil {
		return r.of(u)
	}
	var all []Place
	for _, o := range u.Objects {
		if r.wanted != nil && !r.wanted(u, factsOf(o)) {
			continue
		}
		if len(r.On) == 0 {
			all = append(all, Place{o.Resource.Group, o.Resource.Resource, o.GetNamespace()})
		}
		for _, p := range r.On {
			if !r.wide {
				p.Namespace = o.GetNamespace()
			}
			all = append(all, p)
		}
	}
	return all
}

// Where says in words what a row's rights are on.
func (r Row) Where() string {
	switch {
	case r.On != nil:
		var names []string
		for _, p := range r.On {
			names = append(names, strings.TrimSuffix(p.Resource+"."+p.Group, "."))
		}
		where := strings.Join(names, ", ")
		if r.wide {
			where += " (in the whole cluster)"
		}
		return where
	case r.words != "":
		return r.words
	}
	return "the kinds of the manifests"
}
