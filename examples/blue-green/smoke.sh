#!/bin/sh
# Looks behind the Service of the preview before users come there: is every address of it a ready pod of the version that is
# to be released? With exit code 0 the release goes on, with any other everything goes back.
set -eu

wrong() {
  addresses=$(kubectl get endpointslices -n "$ROLLOUTGATE_NAMESPACE" -l "kubernetes.io/service-name=$ROLLOUTGATE_SERVICE" \
    -o 'jsonpath={range .items[*].endpoints[*]}{.targetRef.name}={.conditions.ready}{" "}{end}')
  test -n "$addresses" || echo "service $ROLLOUTGATE_SERVICE has no address"
  for address in $addresses; do
    pod=${address%=*}
    test "$address" = "$pod=true" || echo "$pod is not ready"
    image=$(kubectl get pod "$pod" -n "$ROLLOUTGATE_NAMESPACE" -o 'jsonpath={.spec.containers[0].image}')
    test "${image##*:}" = "$VERSION" || echo "$pod runs $image, and not $VERSION"
  done
}

tries=5 # the addresses follow the Service within a moment
until found=$(wrong) && test -z "$found"; do
  tries=$((tries - 1))
  test "$tries" -gt 0 || { echo "$found"; exit 1; }
  sleep 1
done
echo "every address of service $ROLLOUTGATE_SERVICE is a ready pod of $VERSION"

# Then ask them. The API server passes it on, so the runner needs no way into the network of the cluster:
# kubectl get --raw "/api/v1/namespaces/$ROLLOUTGATE_NAMESPACE/services/$ROLLOUTGATE_SERVICE:http/proxy/healthz"
