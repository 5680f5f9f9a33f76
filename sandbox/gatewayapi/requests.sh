#!/bin/sh
# Sends the requests of requests_traffic.txtar by Traefik instead of the gateway of the tests. In the root of the checkout:
#
#	(cd sandbox/gatewayapi/traefik && CGO_ENABLED=0 go build -o ../../../bin/traefik github.com/traefik/traefik/v3/cmd/traefik)
#	bin/sandbox run --real-node --nodes 0 -- sh sandbox/gatewayapi/requests.sh
set -eu
address=127.0.0.1:18088
crds=$(cd sandbox/gatewayapi && go mod download sigs.k8s.io/gateway-api && go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)/config/crd/standard
kubectl apply --server-side -f "$crds"
for kind in gatewayclasses gateways httproutes; do
	kubectl wait --for=condition=Established "crd/$kind.gateway.networking.k8s.io"
done
kubectl apply -f - <<EOF
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: default}
spec:
  gatewayClassName: traefik
  listeners: [{name: http, protocol: HTTP, port: ${address#*:}, allowedRoutes: {namespaces: {from: All}}}]
EOF
bin/traefik --entrypoints.web.address=$address --providers.kubernetesgateway=true --global.checknewversion=false \
	--global.sendanonymoususage=false >bin/traefik.log 2>&1 &
traefik=$!
trap 'kill $traefik' EXIT
GATEWAY=$address go test -tags realnode -v -timeout 5m -run 'TestRealNode/requests_traffic$' ./cmd/rolloutgate
