package patch

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// TestAnew: what binds an object to its former self goes, and all else stays.
func TestAnew(t *testing.T) {
	for name, c := range map[string]struct{ is, want, unallocated string }{
		"Service": {
			"{apiVersion: v1, kind: Service, metadata: {name: web, uid: x, resourceVersion: '1', finalizers: [foregroundDeletion, a/b]}, spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80, nodePort: 30001}]}, status: {}}",
			"{apiVersion: v1, kind: Service, metadata: {name: web, finalizers: [a/b]}, spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: [{port: 80, nodePort: 30001}]}}",
			"{apiVersion: v1, kind: Service, metadata: {name: web, finalizers: [a/b]}, spec: {ports: [{port: 80}]}}",
		},
		"headless Service": {
			"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: None}}",
			"{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {clusterIP: None}}", "",
		},
		"Job": {
			"{apiVersion: batch/v1, kind: Job, metadata: {name: once, labels: {controller-uid: x, mine: z}}, spec: {selector: {matchLabels: {batch.kubernetes.io/controller-uid: x}}, template: {metadata: {labels: {batch.kubernetes.io/controller-uid: x, mine: z}}}}}",
			"{apiVersion: batch/v1, kind: Job, metadata: {name: once, labels: {mine: z}}, spec: {template: {metadata: {labels: {mine: z}}}}}", "",
		},
		"Job with its own selector": {
			"{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {manualSelector: true, selector: {matchLabels: {a: b}}}}",
			"{apiVersion: batch/v1, kind: Job, metadata: {name: once}, spec: {manualSelector: true, selector: {matchLabels: {a: b}}}}", "",
		},
		"Pod": {"{apiVersion: v1, kind: Pod, metadata: {name: bare}, spec: {nodeName: n1, hostNetwork: true}}", "{apiVersion: v1, kind: Pod, metadata: {name: bare}, spec: {hostNetwork: true}}", ""},
		"claim": {
			"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, annotations: {pv.kubernetes.io/bind-completed: 'yes', mine: z}}, spec: {volumeName: pv1}}",
			"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, annotations: {mine: z}}, spec: {volumeName: pv1}}", "",
		},
		"claim that was given a volume": {
			"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, annotations: {pv.kubernetes.io/bound-by-controller: 'yes', mine: z}}, spec: {storageClassName: fast, volumeName: pv1}}",
			"{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, annotations: {mine: z}}, spec: {storageClassName: fast}}", "",
		},
		"volume": {
			"{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv1}, spec: {claimRef: {name: data, uid: x, resourceVersion: '1'}}}",
			"{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv1}, spec: {claimRef: {name: data}}}", "",
		},
		"Deployment": {
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, annotations: {deployment.kubernetes.io/revision: '3'}}, spec: {replicas: 2}}",
			"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 2}}", "",
		},
	} {
		read := func(text string) *unstructured.Unstructured {
			u := &unstructured.Unstructured{Object: map[string]any{}}
			if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
				t.Fatal(err)
			}
			return u
		}
		got := Anew(read(c.is))
		if d := cmp.Diff(got.Object, read(c.want).Object); d != "" {
			t.Errorf("%s: -got +want:\n%s", name, d)
		}
		other, chosen := Unallocated(got)
		if chosen != (c.unallocated != "") {
			t.Errorf("%s: chosen %t", name, chosen)
		}
		if chosen {
			if d := cmp.Diff(other.Object, read(c.unallocated).Object); d != "" {
				t.Errorf("%s, unallocated: -got +want:\n%s", name, d)
			}
		}
	}
}
