#!/bin/sh
# Four rollouts of the same Deployment, one after another: a good one, and three that go wrong in different ways.
# It needs a cluster in KUBECONFIG and a Prometheus in ROLLOUTGATE_PROMETHEUS_URL; 'make demo' brings both.
set -u
cd "$(dirname "$0")" || exit 1
[ ! -x ../../bin/rolloutgate ] || PATH=$(cd ../../bin && pwd):$PATH
namespace=${DEMO_NAMESPACE:-quickstart}
results=
failed=no

# rollout EXPECTED WHAT FLAG... runs the gate and notes how it ended.
rollout() {
	expected=$1 what=$2
	shift 2
	printf '\n──── %s\n$ rolloutgate run -n %s %s\n' "$what" "$namespace" "$*"
	rolloutgate run -n "$namespace" "$@"
	code=$?
	printf '\n(exit code %s)\n' "$code"
	results="$results$(printf '%-36s %4s %9s' "$what" "$code" "$expected")
"
	[ "$code" -eq "$expected" ] || failed=yes
}

kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace" || exit 1

rollout 0 'a good version' -f good.yaml
rollout 10 'an image that was never pushed' -f image-missing.yaml --grace ImageNotFound=10s
rollout 12 'a version that answers with errors' -f errors.yaml --config criteria.yaml
rollout 11 'a version that is never ready' -f never-ready.yaml --timeout 40s

printf '\n%-36s %4s %9s\n%s' 'rollout' 'exit' 'expected' "$results"
[ "$failed" = no ]
