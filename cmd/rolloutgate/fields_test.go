//go:build cluster || realnode

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fields writes objects into a file as their users have written them, owners of fields with their times included: without
// what only the API server counts, and what controllers write. `fields FILE KIND/NAME…`.
func fields(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fields FILE KIND/NAME…")
	}
	var out strings.Builder
	for _, name := range args[1:] {
		get := exec.Command("kubectl", "--kubeconfig", ts.Getenv("KUBECONFIG"), "get", name, "-o", "json", "--show-managed-fields")
		text, err := get.Output()
		ts.Check(err)
		var u unstructured.Unstructured
		ts.Check(json.Unmarshal(text, &u))
		var owners []metav1.ManagedFieldsEntry
		for _, e := range u.GetManagedFields() {
			if e.Subresource != "status" && e.Manager != "kube-controller-manager" {
				owners = append(owners, e)
			}
		}
		u.SetManagedFields(owners)
		for _, path := range [][]string{
			{"status"}, {"metadata", "resourceVersion"}, {"metadata", "uid"}, {"metadata", "creationTimestamp"}, {"metadata", "generation"},
			{"metadata", "annotations", "deployment.kubernetes.io/revision"},
		} {
			unstructured.RemoveNestedField(u.Object, path...)
		}
		text, err = json.MarshalIndent(u.Object, "", " ")
		ts.Check(err)
		out.Write(append(text, '\n'))
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(out.String()), 0o644))
}
