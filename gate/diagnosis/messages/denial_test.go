package messages

import (
	"fmt"
	"strings"
	"testing"
)

// summary is what a denial tells besides its words.
func summary(d Denial) string {
	parts := []string{d.Code, d.Name}
	for _, s := range d.Shortages {
		parts = append(parts, fmt.Sprintf("%s %s+%s of %s", s.Resource, s.Used, s.Need, s.Hard))
	}
	for _, b := range d.Bounds {
		parts = append(parts, strings.TrimSpace(strings.Join([]string{b.Kind, b.Resource, b.Per, b.Allowed, b.Of, b.Given}, " ")))
	}
	for _, part := range []struct{ what, text string }{{"by", d.By}, {"in", d.Namespace}, {"containers", strings.Join(d.Containers, ",")}, {"field", d.Field}} {
		if part.text != "" {
			parts = append(parts, part.what+" "+part.text)
		}
	}
	return strings.Join(parts, "; ")
}

// TestParseDenial has answers of API servers and of the policy engines that are common.
func TestParseDenial(t *testing.T) {
	for _, c := range []struct{ text, want, words string }{
		{`Internal error occurred: failed calling webhook "inject.mesh.example": failed to call webhook: Post "https://mesh.mesh-system.svc:443/inject?timeout=10s": no endpoints available for service "mesh"`,
			"AdmissionWebhookDown; inject.mesh.example", `no endpoints available for service "mesh"`},
		{`admission webhook "images.policy.example" denied the request: image registry.example/web:1.1 is not signed`,
			"AdmissionDenied; images.policy.example; by webhook", "image registry.example/web:1.1 is not signed"},
		// Kyverno
		{"admission webhook \"validate.kyverno.svc-fail\" denied the request: \n\nresource Deployment/shop/web was blocked due to the following policies \n\ndisallow-latest-tag:\n  autogen-validate-image-tag: 'validation error: Using a mutable image tag e.g. ''latest'' is not allowed. rule autogen-validate-image-tag failed at path /spec/template/spec/containers/0/image/'\n",
			"AdmissionDenied; validate.kyverno.svc-fail; by webhook; field containers[0].image", "disallow-latest-tag:"},
		// Gatekeeper
		{`admission webhook "validation.gatekeeper.sh" denied the request: [ns-must-have-gk] you must provide labels: {"gatekeeper"}`,
			"AdmissionDenied; validation.gatekeeper.sh; by webhook", `[ns-must-have-gk] you must provide labels: {"gatekeeper"}`},
		{`pods "web-new-x" is forbidden: ValidatingAdmissionPolicy 'no-latest' with binding 'no-latest' denied request: tag latest is not allowed`,
			"AdmissionDenied; no-latest; by policy", "tag latest is not allowed"},
		{`The pods "web" is invalid: : ValidatingAdmissionPolicy 'require-run-as-nonroot' with binding 'require-run-as-nonroot-binding' denied request: Container/initContainer must run as non-root`,
			"AdmissionDenied; require-run-as-nonroot; by policy", "must run as non-root"},
		{`deployments.apps "web" is forbidden: ValidatingAdmissionPolicy 'replicas' denied request: failed expression: object.spec.template.spec.hostNetwork == false`,
			"AdmissionDenied; replicas; by policy; field hostNetwork", "failed expression: "},
		// A policy that quotes what another plugin would say.
		{`admission webhook "quota.example" denied the request: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3`,
			"AdmissionDenied; quota.example; by webhook", "exceeded quota: team"},
		{`pods "web" is forbidden: violates PodSecurity "restricted:v1.36": runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true)`,
			"PodSecurityViolation; restricted; containers app", "runAsNonRoot != true"},
		{`pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (containers "istio-init", "web" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "istio-init" must not include "NET_ADMIN", "NET_RAW" in securityContext.capabilities.add)`,
			"PodSecurityViolation; restricted; containers istio-init,web,istio-init", "allowPrivilegeEscalation"},
		{`pods "web" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true)`,
			"PodSecurityViolation; baseline", "host namespaces (hostNetwork=true)"},
		{`pods "web" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3`,
			"QuotaExceeded; team; pods 3+1 of 3", "exceeded quota: team"},
		{`pods "web" is forbidden: exceeded quota: team, requested: requests.memory=2Gi,limits.cpu=2,requests.cpu=1, used: limits.cpu=3,requests.cpu=1500m,requests.memory=3Gi, limited: limits.cpu=4,requests.cpu=2,requests.memory=4Gi`,
			"QuotaExceeded; team; limits.cpu 3+2 of 4; requests.cpu 1500m+1 of 2; requests.memory 3Gi+2Gi of 4Gi", ""},
		{`pods "web" is forbidden: exceeded quota: team, requested: limits.cpu=2,requests.cpu=1, used: limits.cpu=3,requests.cpu=1500m, limited: limits.cpu=4,requests.c…`, // cut
			"QuotaExceeded; team; limits.cpu 3+2 of 4; requests.cpu 1500m+1 of <nil>", ""},
		{`replicasets.apps "web-7d9f" is forbidden: exceeded quota: objects, requested: count/replicasets.apps=1, used: count/replicasets.apps=20, limited: count/replicasets.apps=20`,
			"QuotaExceeded; objects; count/replicasets.apps 20+1 of 20", ""},
		{`pods "web-new-x" is forbidden: failed quota: team: must specify limits.cpu for: web; limits.memory for: web`,
			"QuotaNeedsResources; team; containers web,web", "limits.cpu for: web; limits.memory for: web"},
		{`pods "web-new-x" is forbidden: failed quota: team: must specify limits.memory for: app,log`, "QuotaNeedsResources; team; containers app,log", "limits.memory for: app,log"},
		{`pods "web-new-x" is forbidden: failed quota: team: must specify limits.cpu,limits.memory,requests.cpu,requests.memory`, "QuotaNeedsResources; team", "limits.cpu,limits.memory,"}, // older versions
		{`pods "web-new-x" is forbidden: maximum memory usage per Container is 512Mi, but limit is 2Gi`,
			"LimitRangeViolation; ; maximum memory Container 512Mi limit 2Gi", `pods "web-new-x" is forbidden: maximum memory`},
		{`pods "web-new-x1" is forbidden: [Maximum cpu usage per Container is 1, but limit is 2., cpu max limit to request ratio per Container is 4, but provided ratio is 20.000000.]`, // up to 1.12
			"LimitRangeViolation; ; maximum cpu Container 1 limit 2; ratio cpu Container 4  provided ratio is 20.000000.", ""},
		{`pods "web-new-x" is forbidden: minimum cpu usage per Container is 100m.  No request is specified`,
			"LimitRangeViolation; ; minimum cpu Container 100m request", ""},
		{`persistentvolumeclaims "data" is forbidden: minimum storage usage per PersistentVolumeClaim is 5Gi, but request is 1Gi`,
			"LimitRangeViolation; ; minimum storage PersistentVolumeClaim 5Gi request 1Gi", ""},
		{`pods "web-new-x" is forbidden: maximum cpu usage per Pod is far too little`, "LimitRangeViolation; ", "far too little"},
		{`pods "web-new-x" is forbidden: error looking up service account shop/robot: serviceaccount "robot" not found`, "ServiceAccountMissing; robot; in shop", ""},
		{`pods "web-new-x" is forbidden: no PriorityClass with name shop-hihg was found`, "PriorityClassMissing; shop-hihg", ""},
		{`pods "web-new-x" is forbidden: pod rejected: RuntimeClass "gvisor" not found`, "RuntimeClassMissing; gvisor", ""},
	} {
		d, ok := ParseDenial(c.text)
		if got := summary(d); !ok || got != c.want || !strings.Contains(d.Words, c.words) {
			t.Errorf("%s\n got %s, words %q\nwant %s, words %q", c.text, got, d.Words, c.want, c.words)
		}
	}
	for _, text := range []string{"", `pods "web" is forbidden: a mood`, `deployments.apps "web" already exists`, `exceeded quota: objects`} {
		if d, ok := ParseDenial(text); ok {
			t.Errorf("%q is taken for %s", text, summary(d))
		}
	}
}

func TestPolicyField(t *testing.T) {
	for text, want := range map[string]string{
		"rule autogen-tag failed at path /spec/template/spec/containers/0/image/": "containers[0].image",
		"spec.containers[0].image must not be latest":                             "containers[0].image",
		"spec.template.spec.initContainers[1].securityContext.privileged":         "initContainers[1].securityContext.privileged",
		"set spec.securityContext.runAsNonRoot":                                   "securityContext.runAsNonRoot",
		"spec.hostNetwork: hostNetwork is not allowed":                            "hostNetwork",
		"spec.replicas must be at least 2":                                        "",
		"label team is missing":                                                   "",
	} {
		if got := policyField(text); got != want {
			t.Errorf("%s: got %q, want %q", text, got, want)
		}
	}
}

func FuzzParseDenial(f *testing.F) {
	f.Add(`pods "web" is forbidden: exceeded quota: team, requested: pods=1, used: pods=3, limited: pods=3`)
	f.Add(`pods "web" is forbidden: [Maximum cpu usage per Container is 1, but limit is 2., cpu max limit to request ratio per Container is 4, but provided ratio is 20.000000.]`)
	f.Add(`admission webhook "x" denied the request: failed at path /spec/containers/0//`)
	f.Fuzz(func(t *testing.T, text string) {
		if d, ok := ParseDenial(text); ok == (d.Code == "") {
			t.Errorf("%q: %t, %s", text, ok, d.Code)
		}
	})
}
