package manifest

import (
	"strings"
	"testing"
)

func TestOrder(t *testing.T) {
	given := `admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration guard
networking.k8s.io/v1 Ingress web
autoscaling/v2 HorizontalPodAutoscaler web
batch/v1 Job migrate
apps/v1 Deployment web
apps/v1 StatefulSet store
batch/v1 Job smoke
cert-manager.io/v1 Certificate web
v1 Service web
v1 ConfigMap b
v1 Secret a
rbac.authorization.k8s.io/v1 RoleBinding web
rbac.authorization.k8s.io/v1 Role web
v1 ServiceAccount web
v1 PersistentVolumeClaim store
policy/v1 PodDisruptionBudget web
apiextensions.k8s.io/v1 CustomResourceDefinition certificates
v1 Namespace shop`
	want := `namespace/shop customresourcedefinition/certificates poddisruptionbudget/web serviceaccount/web role/web
rolebinding/web configmap/b secret/a persistentvolumeclaim/store service/web certificate/web job/migrate deployment/web
statefulset/store job/smoke horizontalpodautoscaler/web ingress/web validatingwebhookconfiguration/guard`
	var text strings.Builder
	for line := range strings.Lines(given) {
		f := strings.Fields(line)
		text.WriteString("---\napiVersion: " + f[0] + "\nkind: " + f[1] + "\nmetadata: {name: " + f[2] + "}\n")
	}
	objects, err := decode("-", []byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range Order(objects) {
		got = append(got, o.Ref().String())
	}
	if g, w := strings.Join(got, " "), strings.Join(strings.Fields(want), " "); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	if objects[0].GetName() != "guard" {
		t.Error("the objects given were reordered in place")
	}
}
