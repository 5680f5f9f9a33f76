package cluster

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Of the managed fields, only who wrote the status, the replicas and the template is kept, however many fields they own.
func TestTrimObject(t *testing.T) {
	fields := func(raw string) *metav1.FieldsV1 {
		f := &metav1.FieldsV1{}
		f.SetRawString(raw)
		return f
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{
		{Manager: "kubectl", FieldsV1: fields(`{"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{}}}}}`)},
		{Manager: "labeller", FieldsV1: fields(`{"f:metadata":{"f:labels":{}}}`)},
		{Manager: "kube-controller-manager", FieldsV1: fields(`{"f:status":{"f:conditions":{}}}`)},
		{Manager: "odd"},
	}}}
	trimmed, err := trimObject(d)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, e := range trimmed.(*appsv1.Deployment).ManagedFields {
		got += e.Manager + " " + e.FieldsV1.GetRawString() + "\n"
	}
	want := `kubectl {"f:replicas":{},"f:template":{}}
kube-controller-manager {"f:status":{}}
`
	if got != want {
		t.Errorf("got\n%s", got)
	}
	if _, err := trimObject("text"); err == nil {
		t.Error("a text is no object")
	}
}
