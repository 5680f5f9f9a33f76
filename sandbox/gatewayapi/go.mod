// The Gateway API, for its CustomResourceDefinitions: the files of config/crd. Nothing of it is compiled.
module github.com/rolloutgate/rolloutgate/sandbox/gatewayapi

go 1.26.0

require sigs.k8s.io/gateway-api v1.4.0
