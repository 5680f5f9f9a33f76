package diagnosis

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

const deployment = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
spec:
  replicas: 3
  selector:
    matchLabels: {app: web}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: app
        imagee: registry.example/web:1.1
`

func written(t *testing.T, text string) manifest.Object {
	t.Helper()
	path := filepath.Join(t.TempDir(), "web.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	read, err := manifest.Read(manifest.Options{Filenames: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	read.Objects[0].Source.Path = "web.yaml"
	return read.Objects[0]
}

func answered(code int32, reason metav1.StatusReason, message string, causes ...metav1.StatusCause) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: "Failure", Code: code, Reason: reason, Message: message, Details: &metav1.StatusDetails{Causes: causes},
	}}
}

// TestExplainApply has the answers of a v1.36 API server.
func TestExplainApply(t *testing.T) {
	noNamespace := answered(404, metav1.StatusReasonNotFound, `namespaces "shop" not found`)
	noNamespace.(*apierrors.StatusError).ErrStatus.Details.Kind = "namespaces"
	noNamespace.(*apierrors.StatusError).ErrStatus.Details.Name = "shop"
	for _, c := range []struct {
		err         error
		code, field string
		line        int
		says        string
	}{
		{answered(500, "", `failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name="app"].imagee: field not declared in schema`),
			"SchemaInvalid", "spec.template.spec.containers[name=app].imagee", 16, "does not exist in Deployment"},
		{answered(400, metav1.StatusReasonBadRequest, `Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.template.spec.containers[0].imagee"`),
			"SchemaInvalid", "spec.template.spec.containers[0].imagee", 16, "does not exist"},
		{answered(422, metav1.StatusReasonInvalid, `Deployment.apps "web" is invalid: spec.replicas: Invalid value: -1`, metav1.StatusCause{Field: "spec.replicas", Message: "Invalid value: -1: must be greater than or equal to 0"}),
			"SchemaInvalid", "spec.replicas", 7, "must be greater"},
		{answered(422, metav1.StatusReasonInvalid, `Deployment.apps "web" is invalid: spec.selector: Invalid value: v1.LabelSelector{}: field is immutable`, metav1.StatusCause{Field: "spec.selector", Message: `Invalid value: v1.LabelSelector{MatchLabels:map[string]string{"app":"web"}}: field is immutable`}),
			"ImmutableFieldChanged", "spec.selector", 8, "cannot be changed"},
		{answered(500, "", `failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric (int or float), got string`),
			"SchemaInvalid", "spec.replicas", 7, "expected numeric (int or float)"},
		{answered(500, "", "failed to create typed patch object (shop/web; apps/v1, Kind=Deployment): errors:\n  .spec.template.spec.containers: duplicate entries for key [name=\"app\"]\n"),
			"SchemaInvalid", "spec.template.spec.containers", 14, "duplicate entries for key"},
		{answered(422, metav1.StatusReasonInvalid, "Deployment.apps \"web\" is invalid: spec.template.metadata.labels: Invalid value: map[string]string{\"app\":\"shop\"}: `selector` does not match template `labels`", metav1.StatusCause{Field: "spec.template.metadata.labels", Message: "Invalid value: map[string]string{\"app\":\"shop\"}: `selector` does not match template `labels`"}),
			"SelectorTemplateMismatch", "spec.template.metadata.labels", 12, "the selector wants app=web, the template has app=web"},
		{answered(409, metav1.StatusReasonConflict, `Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your changes to the latest version and try again`),
			"OptimisticLockConflict", "", 1, "again and again"},
		{answered(409, metav1.StatusReasonAlreadyExists, `deployments.apps "web" already exists`), "ApplyRejected", "", 1, "already exists"},
		{answered(422, metav1.StatusReasonInvalid, `RoleBinding.rbac.authorization.k8s.io "web" is invalid: roleRef: Invalid value: rbac.RoleRef{APIGroup:"rbac.authorization.k8s.io", Kind:"Role", Name:"a"}: cannot change roleRef`, metav1.StatusCause{Field: "roleRef", Message: `Invalid value: rbac.RoleRef{Name:"a"}: cannot change roleRef`}),
			"ImmutableFieldChanged", "roleRef", 1, "roleRef cannot be changed"},
		{answered(422, metav1.StatusReasonInvalid, `Deployment.apps "web" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes`, metav1.StatusCause{Field: "metadata.annotations", Message: "Too long: may not be more than 262144 bytes"}),
			"ObjectTooLarge", "data", 1, "bigger"},
		{answered(400, "", `admission webhook "validate.kyverno.svc-fail" denied the request: resource Deployment/shop/web was blocked due to the following policies: no-latest: validation error: rule autogen-tag failed at path /spec/template/spec/containers/0/image/`),
			"AdmissionDenied", "spec.template.spec.containers[0].image", 15, "no-latest"},
		{answered(409, metav1.StatusReasonConflict, `Apply failed with 1 conflict: conflict with "kube-controller-manager" with subresource "scale" using apps/v1: .spec.replicas`, metav1.StatusCause{Type: metav1.CauseTypeFieldManagerConflict, Message: `conflict with "kube-controller-manager" with subresource "scale" using apps/v1`, Field: ".spec.replicas"}),
			"FieldOwnershipConflict", "spec.replicas", 7, "kube-controller-manager owns spec.replicas"},
		{answered(403, metav1.StatusReasonForbidden, `deployments.apps "web" is forbidden: User "ci" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`),
			"ApplyForbidden", "", 1, "user ci may not patch deployments"},
		{answered(403, metav1.StatusReasonForbidden, `pods "web" is forbidden: violates PodSecurity "restricted:v1.36": runAsNonRoot != true (pod or container "app" must set securityContext.runAsNonRoot=true)`),
			"PodSecurityViolation", "spec.template.spec.containers[name=app].securityContext", 15, "restricted"},
		{answered(403, metav1.StatusReasonForbidden, `deployments.apps "web" is forbidden: exceeded quota: objects, requested: count/deployments.apps=1, used: count/deployments.apps=5, limited: count/deployments.apps=5`),
			"QuotaExceeded", "", 14, "quota objects"},
		{answered(400, "", `admission webhook "policy.example" denied the request: label team is missing`), "AdmissionDenied", "", 1, "label team is missing"},
		{answered(500, metav1.StatusReasonInternalError, `Internal error occurred: failed calling webhook "policy.example": failed to call webhook: Post "https://policy.ops.svc:443/": service "policy" not found`),
			"AdmissionWebhookDown", "", 1, "does not answer"},
		{answered(403, metav1.StatusReasonForbidden, `deployments.apps "web" is forbidden: unable to create new content in namespace shop because it is being terminated`, metav1.StatusCause{Type: "NamespaceTerminating"}),
			"NamespaceTerminating", "metadata.namespace", 5, "being deleted"},
		{noNamespace, "NamespaceNotFound", "metadata.namespace", 5, "namespace shop does not exist"},
		{answered(404, "", "the server could not find the requested resource"), "KindNotServed", "apiVersion", 1, "does not know kind Deployment"},
		{answered(413, metav1.StatusReasonRequestEntityTooLarge, "Request entity too large: limit is 3145728"), "ObjectTooLarge", "data", 1, "bigger"},
		{answered(503, metav1.StatusReasonServiceUnavailable, "etcdserver: leader changed"), "ApiUnavailable", "", 1, "leader changed"},
		{errors.New("Patch \"https://10.1.2.3:6443/\": dial tcp 10.1.2.3:6443: connect: connection refused"), "ApiUnavailable", "", 1, "connection refused"},
		{answered(http.StatusTeapot, "Teapot", "I am a teapot"), "ApplyRejected", "", 1, "teapot"},
	} {
		f := ExplainApply(c.err, written(t, deployment))
		if f.Code != c.code || c.field != "" && f.FieldPath != c.field || f.Line != c.line && c.field != "" || !strings.Contains(f.Cause, c.says) {
			t.Errorf("%v:\n got %s at %s:%d, %q\nwant %s at %s:%d, …%q…", c.err, f.Code, f.FieldPath, f.Line, f.Cause, c.code, c.field, c.line, c.says)
		}
		if len(f.Fix) == 0 || len(f.Evidence) == 0 || f.Stage != "apply" {
			t.Errorf("%s: fix %v, evidence %v, stage %s", f.Code, f.Fix, f.Evidence, f.Stage)
		}
	}
}

// TestExplainApplyInitContainer: the words of admission do not tell which list a container stands in.
func TestExplainApplyInitContainer(t *testing.T) {
	pod := written(t, `apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec:
  initContainers:
  - name: migrate
    image: registry.example/migrate:1.0
  containers:
  - name: app
    image: registry.example/web:1.1
`)
	for text, want := range map[string]string{
		`pods "web" is forbidden: violates PodSecurity "restricted:v1.36": runAsNonRoot != true (container "migrate" must not set securityContext.runAsNonRoot=false)`: "spec.initContainers[name=migrate].securityContext",
		`pods "web" is forbidden: failed quota: team: must specify limits.cpu for: migrate`:                                                                            "spec.initContainers[name=migrate].resources",
		`pods "web" is forbidden: failed quota: team: must specify limits.cpu for: app`:                                                                                "spec.containers[name=app].resources",
		`pods "web" is forbidden: failed quota: team: must specify limits.cpu for: istio-init`:                                                                         "spec.containers",
	} {
		if f := ExplainApply(answered(403, metav1.StatusReasonForbidden, text), pod); f.FieldPath != want {
			t.Errorf("%s\n got %s, want %s", text, f.FieldPath, want)
		}
	}
}

// TestExplainApplyKeepsSecrets makes sure that no value of a Secret and no whole template gets out.
func TestExplainApplyKeepsSecrets(t *testing.T) {
	secret := written(t, "apiVersion: v1\nkind: Secret\nmetadata: {name: db}\nstringData: {password: hunter2}\n")
	template := `core.PodTemplateSpec{ObjectMeta:v1.ObjectMeta{}, Spec:core.PodSpec{Containers:[]core.Container{core.Container{Env:[]core.EnvVar{core.EnvVar{Name:"P", Value:"hunter2"}}}}}}`
	job := written(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: migrate}\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}\n")
	for _, c := range []struct {
		obj manifest.Object
		err error
	}{
		{secret, answered(422, metav1.StatusReasonInvalid, `Secret "db" is invalid: data[password]: Invalid value: "hunter2": no`, metav1.StatusCause{Field: "data[password]", Message: `Invalid value: "hunter2": no`})},
		{secret, answered(400, metav1.StatusReasonBadRequest, `cannot decode hunter2`)},
		{secret, answered(403, metav1.StatusReasonForbidden, `admission webhook "x" denied the request: value hunter2 is weak`)},
		{secret, answered(418, "", `hunter2`)},
		{secret, answered(500, "", `failed to create typed patch object (/db; /v1, Kind=Secret): .data.password: expected string, got &value.valueUnstructured{Value:"hunter2"}`)},
		{job, answered(500, "", `failed to create typed patch object (/a; batch/v1, Kind=Job): .spec.x: expected list, got &{hunter2}`)},
		{job, answered(422, metav1.StatusReasonInvalid, `Job.batch "migrate" is invalid: spec.template: Invalid value: `+template+`: field is immutable`, metav1.StatusCause{Field: "spec.template", Message: `Invalid value: ` + template + `: field is immutable`})},
		{job, answered(422, metav1.StatusReasonInvalid, `Job.batch "migrate" is invalid: spec.template: Invalid value: `+template+`: is odd`, metav1.StatusCause{Field: "spec.template", Message: `Invalid value: ` + template + `: is odd`})},
	} {
		f := ExplainApply(c.err, c.obj)
		if text := render([]Finding{f}); strings.Contains(text, "hunter2") {
			t.Errorf("a value got out:\n%s", text)
		}
	}
}
