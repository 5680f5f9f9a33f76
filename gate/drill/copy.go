// Package drill makes harmless copies of workloads, and broken variants of them.
//
// Takes: a workload as it is live. Returns: a manifest of a copy that nothing selects, notes about what the copy lacks, and
// for each fault a manifest with just that fault. Never: talks to a cluster, or lets a copy write where the original does.
package drill

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

const (
	// Label is on every copy and its pods, and is their only label. Its value names the original.
	Label = "rolloutgate.dev/drill"
	// HolderAnnotation says which process has made a copy.
	HolderAnnotation = "rolloutgate.dev/drill-by"
	// tuning is what the annotations begin with that say how a workload is judged.
	tuning = "rolloutgate.dev/"
	// maxName leaves room for what controllers add to the names of pods and to labels.
	maxName = 52
)

// Holder is the process that makes a drill.
type Holder struct {
	record.Process
	Ends time.Time `json:"ends"` // when it has ended in any case
}

// Dead tells whether the drill is over. On the same machine that is seen at once; elsewhere its time has to be up.
func (h Holder) Dead(now time.Time, here record.Here) bool {
	switch {
	case now.After(h.Ends):
		return true
	case h.Machine == "" || h.Machine != here.Self.Machine || here.Started == nil:
		return false
	}
	when, known := here.Started(h.ID)
	return h.Process == here.Self || known && when != h.Started
}

// HolderOf reads who has made a copy; false when nobody knows.
func HolderOf(u *unstructured.Unstructured) (h Holder, ok bool) {
	err := json.Unmarshal([]byte(u.GetAnnotations()[HolderAnnotation]), &h)
	return h, err == nil && !h.Ends.IsZero()
}

// Copy is a stand-in for a workload: one pod under a name and a label of its own.
type Copy struct {
	Object *unstructured.Unstructured
	Notes  []string // what it lacks that the original has, and why
}

// Of makes the copy of a live workload. The error says why there can be none.
func Of(live *unstructured.Unstructured, by Holder) (Copy, error) {
	gk := live.GroupVersionKind().GroupKind()
	original := strings.ToLower(gk.Kind) + "/" + live.GetName()
	k, _ := rollout.KindOf(gk)
	switch {
	case k.OnEachNode:
		return Copy{}, fmt.Errorf("%s cannot be copied: a copy would run on every node, too", original)
	case !k.Serves || !k.Replaces || k.Template != "spec.template" || k.Spec == nil:
		return Copy{}, fmt.Errorf("%s cannot be copied: a drill takes a Deployment or a StatefulSet", original)
	case live.GetLabels()[Label] != "":
		return Copy{}, fmt.Errorf("%s is itself a copy of a drill", original)
	}
	holder, err := json.Marshal(by)
	if err != nil {
		return Copy{}, fmt.Errorf("encoding who makes the drill: %w", err)
	}
	label := shortened(strings.ToLower(gk.Kind)+"-"+live.GetName(), 63)
	c := Copy{Object: &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": live.GetAPIVersion(), "kind": live.GetKind(),
		"metadata": map[string]any{"name": shortened("drill-"+live.GetName(), maxName), "namespace": live.GetNamespace()},
	}}}
	c.Object.SetLabels(map[string]string{Label: label})
	annotations := map[string]string{HolderAnnotation: string(holder)}
	for key, value := range live.GetAnnotations() {
		if strings.HasPrefix(key, tuning) && !slices.Contains([]string{HolderAnnotation, tuning + "wait", tuning + "undo"}, key) { // a copy is waited for, and goes back
			annotations[key] = value
		}
	}
	c.Object.SetAnnotations(annotations)
	spec, _, _ := unstructured.NestedMap(live.Object, "spec") // a copy of its own
	spec["replicas"] = int64(1)
	spec["selector"] = map[string]any{"matchLabels": map[string]any{Label: label}}
	delete(spec, "paused")
	template, _ := spec["template"].(map[string]any)
	pod, _ := template["spec"].(map[string]any)
	if pod == nil {
		return Copy{}, fmt.Errorf("%s has no pod template", original)
	}
	if host, _ := pod["hostNetwork"].(bool); host {
		return Copy{}, fmt.Errorf("%s cannot be copied: its pods use the ports of their node, and the copy would take them", original)
	}
	metadata, _ := template["metadata"].(map[string]any)
	if metadata == nil {
		metadata = map[string]any{}
		template["metadata"] = metadata
	}
	metadata["labels"] = map[string]any{Label: label}
	c.emptyClaimTemplates(spec, pod)
	c.emptyVolumes(pod)
	c.dropHostPorts(pod)
	c.Object.Object["spec"] = spec
	return c, nil
}

// emptyClaimTemplates gives the pods of a StatefulSet empty directories for the claims that it would make.
func (c *Copy) emptyClaimTemplates(spec, pod map[string]any) {
	claims, _ := spec["volumeClaimTemplates"].([]any)
	delete(spec, "volumeClaimTemplates")
	delete(spec, "persistentVolumeClaimRetentionPolicy")
	volumes, _ := pod["volumes"].([]any)
	for _, claim := range claims {
		m, _ := claim.(map[string]any)
		name, _, _ := unstructured.NestedString(m, "metadata", "name")
		volumes = append(volumes, map[string]any{"name": name, "emptyDir": map[string]any{}})
		c.note("the volume %s is an empty directory in the copy: a drill makes no claims", name)
	}
	if len(volumes) > 0 {
		pod["volumes"] = volumes
	}
}

// emptyVolumes replaces what the copy would share with the original and could write to.
func (c *Copy) emptyVolumes(pod map[string]any) {
	volumes, _ := pod["volumes"].([]any)
	for i, v := range volumes {
		volume, _ := v.(map[string]any)
		for _, shared := range []string{"persistentVolumeClaim", "hostPath", "nfs", "iscsi", "fc", "cephfs", "glusterfs", "rbd"} {
			if volume[shared] == nil {
				continue
			}
			name, _ := volume["name"].(string)
			volumes[i] = map[string]any{"name": name, "emptyDir": map[string]any{}}
			c.note("the volume %s is an empty directory in the copy: the original's is not mounted twice", name)
		}
	}
}

// dropHostPorts leaves the node's ports to the original.
func (c *Copy) dropHostPorts(pod map[string]any) {
	for _, list := range []string{"initContainers", "containers"} {
		containers, _ := pod[list].([]any)
		for _, item := range containers {
			container, _ := item.(map[string]any)
			ports, _ := container["ports"].([]any)
			for _, p := range ports {
				port, _ := p.(map[string]any)
				if port["hostPort"] == nil {
					continue
				}
				delete(port, "hostPort")
				c.note("the copy has no hostPort: the port of the node stays the original's")
			}
		}
	}
}

func (c *Copy) note(format string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(format, args...))
}

// shortened is a name that is not longer than n, and still is another one for each text.
func shortened(text string, n int) string {
	if len(text) <= n {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	return strings.TrimRight(text[:n-9], "-.") + fmt.Sprintf("-%x", sum[:4])
}

// containersOf are the containers of the copy's pods.
func containersOf(u *unstructured.Unstructured) []any {
	containers, _, _ := unstructured.NestedSlice(u.Object, "spec", "template", "spec", "containers")
	return containers
}

// repository is an image without its tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndexByte(image, ':'); colon > strings.LastIndexByte(image, '/') {
		image = image[:colon]
	}
	return image
}

// portsOf are the ports a container says it listens on.
func portsOf(container map[string]any) map[int64]bool {
	taken := map[int64]bool{}
	ports, _ := container["ports"].([]any)
	for _, p := range ports {
		m, _ := p.(map[string]any)
		if n, ok := m["containerPort"].(int64); ok {
			taken[n] = true
		}
	}
	return taken
}
