package messages

import (
	"strings"
	"testing"
)

func TestUnknownField(t *testing.T) {
	for text, want := range map[string]string{
		`failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="app"].imagee: field not declared in schema`: "spec.template.spec.containers[name=app].imagee",
		`Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[0].imagee"`:              "spec.template.spec.containers[0].imagee",
		`failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.ports[containerPort=80,protocol="TCP"].nmae: field not declared in schema`: "spec.ports[containerPort=80,protocol=TCP].nmae",
		`field not declared in schema`: "",
	} {
		if got, ok := UnknownField(text); !ok || got != want {
			t.Errorf("%s\n got %q, %t, want %q", text, got, ok, want)
		}
	}
	if field, ok := UnknownField(`Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1`); ok {
		t.Errorf("a value that is not valid is no unknown field (%s)", field)
	}
}

// TestWrongType: what was sent must not be in the reason.
func TestWrongType(t *testing.T) {
	for _, c := range []struct{ text, field, reason string }{
		{`failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string`, "spec.replicas", "expected numeric (int or float)"},
		{"failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors:\n  .spec.template.spec.containers: duplicate entries for key [name=\"app\"]\n", "spec.template.spec.containers", `duplicate entries for key [name="app"]`},
		{`failed to create typed patch object (/db; /v1, Kind=Secret): .data.password: expected string, got &value.valueUnstructured{Value:"hunter2"}`, "data.password", "expected string"},
		{`failed to create typed patch object (/a; batch/v1, Kind=Job): .spec.x: value &{hunter2} is no list`, "spec.x", ""},
	} {
		field, reason, ok := WrongType(c.text)
		if !ok || field != c.field || reason != c.reason {
			t.Errorf("%s\n got %s: %q, want %s: %q", c.text, field, reason, c.field, c.reason)
		}
	}
	if _, _, ok := WrongType("etcdserver: leader changed"); ok {
		t.Error("trouble of etcd is no wrong type")
	}
}

// TestWhatIsInvalid: each text is one of the ways of saying no.
func TestWhatIsInvalid(t *testing.T) {
	tests := map[string]func(string) bool{
		"selector": SaysSelectorMismatch, "immutable": SaysImmutable, "large": SaysTooLarge, "kind": SaysNotServed,
		"allocation": func(text string) bool { return AllocationFailure(text) != "" },
		"conflict":   func(text string) bool { return ConflictingManager(text) != "" },
	}
	for text, want := range map[string]string{
		"Deployment.apps \"web\" is invalid: spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"shop\"}: `selector` does not match template `labels`":                                                                                             "selector",
		`Deployment.apps "web" is invalid: spec.selector: Invalid value: v1.LabelSelector{}: field is immutable`:                                                                                                                                                         "immutable",
		`StatefulSet.apps "web" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden`: "immutable",
		`Service "web" is invalid: spec.clusterIPs[0]: Invalid value: ["10.96.0.9"]: may not change once set`:                                                                                                                                                            "immutable",
		`PersistentVolumeClaim "data" is invalid: spec: Forbidden: spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims`:                                                                                            "immutable",
		`RoleBinding.rbac.authorization.k8s.io "web" is invalid: roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"a"}: cannot change roleRef`:                                                                               "immutable",
		`GatewayClass.gateway.networking.k8s.io "web" is invalid: spec.controllerName: Invalid value: "string": Value is immutable`:                                                                                                                                      "immutable",
		`NodePool.karpenter.sh "web" is invalid: spec.template.spec.nodeClassRef: Invalid value: "object": nodeClassRef.group is immutable`:                                                                                                                              "immutable",
		`ConfigMap "web" is invalid: data: Forbidden: field is immutable when ` + "`immutable`" + ` is set`:                                                                                                                                                              "immutable",
		`ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool`:                                                                                                                "",
		`Deployment.apps "web" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes`:                                                                                                                                                            "large",
		`etcdserver: request is too large`:                                                                                                              "large",
		`no matches for kind "Certificate" in version "cert-manager.io/v1"`:                                                                             "kind",
		`the server could not find the requested resource`:                                                                                              "kind",
		`Service "web" is invalid: spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated`:                                    "allocation",
		`Service "web" is invalid: spec.clusterIPs: Invalid value: ["10.1.0.1"]: failed to allocate IP 10.1.0.1: provided IP is not in the valid range`: "allocation",
		`Apply failed with 1 conflict: conflict with "kube-controller-manager" with subresource "scale" using apps/v1: .spec.replicas`:                  "conflict",
		`Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0`:                                        "",
		`etcdserver: leader changed`: "",
	} {
		for what, says := range tests {
			if says(text) != (what == want) {
				t.Errorf("%s: %s: %t", text, what, says(text))
			}
		}
	}
	if got := ConflictingManager(`conflict with "kube-controller-manager" with subresource "scale" using apps/v1`); got != "kube-controller-manager" {
		t.Errorf("the manager is %q", got)
	}
	if got := AllocationFailure(`Invalid value: 30080: provided port is already allocated`); got != "provided port is already allocated" {
		t.Errorf("the allocator says %q", got)
	}
}

func TestWithoutValue(t *testing.T) {
	template := `core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{}, Spec:core.PodSpec{Containers:[]core.Container{core.Container{Env:[]core.EnvVar{core.EnvVar{Name:"P", Value:"hunter2"}}}}}}`
	for text, want := range map[string]string{
		`Invalid value: ` + template + `: field is immutable`:                                                 "field is immutable",
		`Invalid value: map[string]string{"app":"hunter2"}: ` + "`selector` does not match template `labels`": "`selector` does not match template `labels`",
		`Invalid value: {"password":"hunter2"}: is odd`:                                                       "is odd",
		`Invalid value: "` + strings.Repeat("hunter2", 12) + `": must be no more than 63 characters`:          "must be no more than 63 characters",
		`Invalid value: -1: must be greater than or equal to 0`:                                               "Invalid value: -1: must be greater than or equal to 0",
		`Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`:                 `Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"`,
	} {
		if got := WithoutValue(text); got != want {
			t.Errorf("%s\n got %q, want %q", text, got, want)
		}
	}
}
