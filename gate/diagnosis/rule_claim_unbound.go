package diagnosis

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// claim is one claim of the new pods: the object, where it was read, and its events.
type claim struct {
	name   string
	object *corev1.PersistentVolumeClaim // nil when it was not read
	events []Event
	users  []*corev1.Pod
}

// claims are those that the new pods use, or the claim that is gated itself.
func (s *facts) claims() []claim {
	if c, ok := s.w.Live.(*corev1.PersistentVolumeClaim); ok {
		if s.w.WaitsForConsumer {
			return nil
		}
		return []claim{{name: c.Name, object: c, events: s.events[string(c.UID)]}}
	}
	var all []claim
	for _, p := range s.pods {
		for _, v := range p.Spec.Volumes {
			name := claimOf(p, v)
			if name == "" {
				continue
			}
			i := slices.IndexFunc(all, func(c claim) bool { return c.name == name })
			if i < 0 {
				i, all = len(all), append(all, s.claim(name))
			}
			all[i].users = append(all[i].users, p)
		}
	}
	return all
}

// claimOf is the name of the claim behind a volume; empty for other volumes. An ephemeral one is named after the pod
// (k8s.io/component-helpers/storage/ephemeral).
func claimOf(p *corev1.Pod, v corev1.Volume) string {
	switch {
	case v.PersistentVolumeClaim != nil:
		return v.PersistentVolumeClaim.ClaimName
	case v.Ephemeral != nil:
		return p.Name + "-" + v.Name
	}
	return ""
}

// claim collects what is known of one claim. Its events tell of it when the object was not read.
func (s *facts) claim(name string) claim {
	c := claim{name: name}
	for _, o := range s.Claims {
		if o.Name == name {
			c.object, c.events = o, s.events[string(o.UID)]
			return c
		}
	}
	for _, uid := range slices.Sorted(maps.Keys(s.events)) {
		list := s.events[uid]
		last := newest(list)
		if last.Object.Kind == "PersistentVolumeClaim" && last.Object.Name == name && (c.events == nil || last.Time.After(newest(c.events).Time)) {
			c.events = list
		}
	}
	return c
}

// about are the claim's events with one of these reasons.
func (c claim) about(reasons ...string) []Event {
	var found []Event
	for _, e := range c.events {
		if slices.Contains(reasons, e.Reason) {
			found = append(found, e)
		}
	}
	return found
}

// noClass reports whether a claim names no class: admission writes the default one into it, so that there is none.
func (s *facts) noClass(c claim) bool {
	o := c.object
	return o != nil && o.Spec.StorageClassName == nil && o.Annotations[corev1.BetaStorageClassAnnotation] == "" && o.Spec.VolumeName == "" &&
		!o.CreationTimestamp.IsZero() && s.now.Sub(o.CreationTimestamp.Time) > 30*time.Second
}

// sayUnbound says what is known of the claim behind the scheduler's word that there is one without a volume. A storage
// driver that was asked for it may take minutes, and then patience is right: the controller notes the driver on the claim
// when it asks it (pkg/controller/volume/persistentvolume/pv_controller.go, provisionClaimOperationExternal).
func (s *facts) sayUnbound(f *Finding, p *corev1.Pod) {
	for _, v := range p.Spec.Volumes {
		name := claimOf(p, v)
		if name == "" {
			continue
		}
		c := s.claim(name)
		asked := len(c.about("Provisioning", "ExternalProvisioning")) > 0
		driver := ""
		if o := c.object; o != nil {
			if o.Status.Phase != corev1.ClaimPending {
				continue
			}
			driver = cmp.Or(o.Annotations["volume.kubernetes.io/storage-provisioner"], o.Annotations["volume.beta.kubernetes.io/storage-provisioner"])
		}
		switch {
		case asked || driver != "":
			f.Terminal = TerminalTimeout
			f.Cause = strings.TrimSpace(fmt.Sprintf("claim %s has no volume yet; storage driver %s", name, driver)) + " has been asked to make one"
			f.Fix = []string{"wait, or raise --timeout", "look at the driver's pods and the claim's events: kubectl describe pvc -n " + p.Namespace + " " + name}
		case c.object != nil:
			f.Cause = fmt.Sprintf("claim %s has no volume: it asks for %s, and no volume fits", name, wish(c.object))
			f.Fix = []string{"create a volume that fits, or correct the claim: kubectl get pv lists those that exist"}
			if e := c.about("VolumeMismatch"); len(e) > 0 {
				f.Cause = fmt.Sprintf("claim %s has no volume: %s", name, quote(newest(e).Message))
				f.Evidence = proofs(e, 1)
			}
		default:
			continue
		}
		f.Detail, f.FieldPath = name, s.volumeField(p, name)
		return
	}
}

// wish is what a claim asks for: 1Gi, ReadWriteOnce, volume archive.
func wish(c *corev1.PersistentVolumeClaim) string {
	var parts []string
	if q := c.Spec.Resources.Requests.Storage(); !q.IsZero() {
		parts = append(parts, q.String())
	}
	for _, m := range c.Spec.AccessModes {
		parts = append(parts, string(m))
	}
	if c.Spec.VolumeName != "" {
		parts = append(parts, "volume "+c.Spec.VolumeName)
	}
	switch class := c.Spec.StorageClassName; {
	case class != nil && *class == "":
		parts = append(parts, "no storage class")
	case class != nil:
		parts = append(parts, "storage class "+*class)
	}
	return list(parts)
}

// silent reports whether a claim has waited for its driver for a while, and the driver has said nothing.
func (s *facts) silent(c claim) bool {
	waits := c.about("ExternalProvisioning")
	return len(waits) > 0 && len(c.about("Provisioning", "ProvisioningSucceeded")) == 0 &&
		(occurrences(waits) > 1 || s.now.Sub(waits[0].First) > 30*time.Second)
}

// volumeField is the field of the pod that names a claim; in a StatefulSet the template of the claim.
func (s *facts) volumeField(p *corev1.Pod, claim string) string {
	for _, v := range p.Spec.Volumes {
		switch {
		case claimOf(p, v) != claim:
		case v.Ephemeral != nil:
			return fmt.Sprintf("%s.volumes[name=%s].ephemeral.volumeClaimTemplate.spec", s.podPath, v.Name)
		case s.w.Ref.Kind == "StatefulSet" && strings.HasSuffix(claim, p.Name):
			return fmt.Sprintf("spec.volumeClaimTemplates[metadata.name=%s].spec", v.Name)
		default:
			return fmt.Sprintf("%s.volumes[name=%s].persistentVolumeClaim.claimName", s.podPath, v.Name)
		}
	}
	return s.podPath + ".volumes"
}
