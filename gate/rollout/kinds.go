package rollout

// Kinds are the kinds with rules of their own. It is never written to. All others are judged by the conventions for
// custom resources, or have no rollout.
var Kinds = []Kind{
	deploymentKind,
	statefulSetKind,
	daemonSetKind,
	replicaSetKind,
	replicationControllerKind,
	podKind,
	jobKind,
	cronJobKind,
	claimKind,
	definitionKind,
	apiServiceKind,
	argoRolloutKind,
}
