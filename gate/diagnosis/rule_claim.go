package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
)

var ruleClaim = Rule{Family: "Claims", Find: explainClaims, Causes: []Cause{
	{Code: "PvcNotFound", class: after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
		LooksUp: []string{"PersistentVolumeClaim"}, MayArrive: true,
		Meaning: "The pod names a PersistentVolumeClaim that does not exist in its namespace.",
		Signals: "Pod condition PodScheduled=False with \"persistentvolumeclaim … not found\".",
		Remedy:  "Create the claim, or correct claimName."},
	{Code: "PvcDeleting", class: after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
		Meaning: "The pod's claim is being deleted, and no new pod may use it. It stays until the last pod that uses it is gone.",
		Signals: "metadata.deletionTimestamp of the claim, or PodScheduled=False with \"persistentvolumeclaim … is being deleted\".",
		Remedy:  "Let the pods that still use the claim end, and then create it anew; or use another claim."},
	{Code: "PvcLost", class: after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
		Meaning: "The claim was bound to a volume that does not exist any more, or that belongs to another claim. Its data may be gone.",
		Signals: "status.phase Lost of the claim, its events ClaimLost and ClaimMisbound, or PodScheduled=False with \"bound to non-existent pv(s)\".",
		Remedy:  "Restore the volume, or delete the claim and let it be made anew, with the data from a backup."},
	// A volume that is provided by hand needs no class object, and the controller looks for one every 15 seconds only.
	{Code: "StorageClassMissing", class: after("volume", LayerCluster, ScopeSpec, 1, time.Minute),
		LooksUp: []string{"StorageClass"}, MayArrive: true,
		Meaning: "The claim names a storage class that does not exist, or names none in a cluster without a default class.",
		Signals: "The claim's event ProvisioningFailed with \"storageclass.storage.k8s.io … not found\", or FailedBinding with \"no storage class is set\", or a pending claim without storageClassName.",
		Remedy:  "Correct storageClassName, or mark one class as the default. A claim's class cannot be changed: delete the claim and apply it again."},
	{Code: "ProvisioningFailed", class: after("volume", LayerCluster, ScopeEnv, 3, 2*time.Minute),
		Meaning: "The storage driver tries to make a volume for the claim, and fails.",
		Signals: "The claim's event ProvisioningFailed, whose text is the driver's own.",
		Remedy:  "Act on the driver's message: most often a quota of disks, an access mode that it does not know, or a zone without room."},
	{Code: "ProvisionerSilent", class: atTimeout("volume", LayerCluster, ScopeEnv),
		Meaning: "The claim waits for a storage driver that does not answer.",
		Signals: "The claim's event ExternalProvisioning again and again, without an event of the driver itself.",
		Remedy:  "Look at the driver's controller pods; if the cluster has no such driver, correct storageClassName."},
	{Code: "PvcWaitingForConsumer", class: remark("volume", LayerCluster, ScopeEnv),
		Meaning: "The claim is bound when its pod gets a node. That is in order; the pod's own scheduling says what is wrong.",
		Signals: "The claim's event WaitForFirstConsumer or WaitForPodScheduled.",
		Remedy:  "Look at the reason why the pod has no node."},
	{Code: "PvcUnbound", class: after("unbound", LayerCluster, ScopeSpec, 1, 90*time.Second),
		LooksUp: []string{"StorageClass"},
		Meaning: "A claim of the pod has no volume, and nothing says that one is being made.",
		Signals: "Pod condition PodScheduled=False with \"pod has unbound immediate PersistentVolumeClaims\" or \"didn't find available persistent volumes to bind\"; the claim's event VolumeMismatch.",
		Remedy:  "Compare the claim with the volumes that exist: size, access modes, volumeMode, storageClassName, selector and volumeName must fit."},
	{Code: "VolumeResizePending", class: remark("volume", LayerCluster, ScopeEnv),
		Meaning: "A claim was enlarged, and that is not done yet. The pods keep the old size meanwhile.",
		Signals: "Condition Resizing or FileSystemResizePending of the claim, or its event VolumeResizeFailed.",
		Remedy:  "Wait, or look at the storage driver; some enlarge a volume only when no pod uses it."},
}}

// explainClaims names why a claim has no volume. The claim and its own events know (pkg/controller/volume/
// persistentvolume); the scheduler only says that it waits. A claim whose class waits for its first consumer is not at
// fault.
func explainClaims(s *facts) []Finding {
	var found []Finding
	for _, c := range s.claims() {
		if o := c.object; o != nil && o.DeletionTimestamp != nil {
			found = append(found, s.onClaim(c, "PvcDeleting"))
			continue
		}
		found = append(found, s.unbound(c)...)
		if f, ok := s.resizing(c); ok {
			found = append(found, f)
		}
	}
	return found
}

// unbound is about a claim without a volume.
func (s *facts) unbound(c claim) []Finding {
	failures := c.about("ProvisioningFailed", "FailedBinding", "ClaimLost", "ClaimMisbound")
	last := Event{}
	if len(failures) > 0 {
		last = newest(failures)
	}
	phase := corev1.ClaimPending
	if c.object != nil {
		phase = cmp.Or(c.object.Status.Phase, phase)
	} else if bound := c.about("ProvisioningSucceeded"); len(failures) > 0 && len(bound) > 0 && newest(bound).Time.After(last.Time) {
		return nil
	}
	_, noSuchClass := messages.MissingClass(last.Message)
	switch {
	case phase == corev1.ClaimLost || last.Reason == "ClaimLost" || last.Reason == "ClaimMisbound":
		return []Finding{s.onClaim(c, "PvcLost")}
	case phase != corev1.ClaimPending:
		return nil
	case noSuchClass:
		return []Finding{s.onClaim(c, "StorageClassMissing")}
	case strings.Contains(last.Message, noProvisioner):
		return []Finding{s.onClaim(c, "PvcUnbound")} // a class without a driver: somebody makes its volumes by hand
	case last.Reason == "ProvisioningFailed":
		return []Finding{s.onClaim(c, "ProvisioningFailed")}
	case len(c.about("WaitForFirstConsumer", "WaitForPodScheduled")) > 0:
		if slices.ContainsFunc(c.users, onNoNode) {
			return []Finding{s.onClaim(c, "PvcWaitingForConsumer")}
		}
	case s.noClass(c):
		return []Finding{s.onClaim(c, "StorageClassMissing")}
	case s.silent(c):
		return []Finding{s.onClaim(c, "ProvisionerSilent")}
	case len(c.about("VolumeMismatch")) > 0:
		return []Finding{s.onClaim(c, "PvcUnbound")}
	}
	return nil
}

// onClaim starts a finding about one claim and says it all.
func (s *facts) onClaim(c claim, code string) Finding {
	f := s.finding(code)
	for _, p := range c.users {
		f.pods = append(f.pods, p.Name)
		f.Object = s.subject(p)
		f.FieldPath = s.volumeField(p, c.name)
	}
	f.PodsAffected = len(f.pods)
	if len(f.pods) == 0 {
		f.FieldPath = "spec"
	}
	f.Detail = c.name
	if c.object != nil && !c.object.CreationTimestamp.IsZero() {
		f.FirstSeen = later(c.object.CreationTimestamp.Time, s.w.Since)
	}
	switch code {
	case "PvcDeleting":
		s.sayDeleting(&f, c.name)
		f.Evidence = []Proof{{Type: "status", Text: "being deleted since " + c.object.DeletionTimestamp.UTC().Format(time.RFC3339), Ref: "persistentvolumeclaim/" + c.name}}
	case "PvcLost":
		f.Confidence = Proven
		f.quoteEvents(c.about("ClaimLost", "ClaimMisbound"))
		f.Cause = fmt.Sprintf("claim %s is lost: the volume that it was bound to does not exist any more", c.name)
		if e := c.about("ClaimMisbound"); len(e) > 0 {
			f.Cause = fmt.Sprintf("claim %s is lost: the volume that it was bound to belongs to another claim", c.name)
		}
		f.Fix = []string{"restore the volume, or delete the claim and let it be made anew"}
	case "StorageClassMissing":
		s.sayClass(&f, c)
	case "ProvisioningFailed":
		events := c.about("ProvisioningFailed")
		f.quoteEvents(events)
		f.Cause = fmt.Sprintf("no volume can be made for claim %s: %s", c.name, quote(newest(events).Message))
		f.Fix = []string{"act on the provisioner's message: a quota, a zone, or access modes that it does not know"}
	case "ProvisionerSilent":
		events := c.about("ExternalProvisioning")
		f.quoteEvents(events)
		name := "the storage driver"
		if driver := messages.Provisioner(newest(events).Message); driver != "" {
			name, f.Detail = "storage driver "+driver, driver
		}
		f.Cause = fmt.Sprintf("claim %s waits for a volume, and %s does not answer", c.name, name)
		f.Fix = []string{"look at the driver's controller pods: kubectl get pods -A", "if the cluster has no such driver, correct storageClassName"}
	case "PvcWaitingForConsumer":
		f.quoteEvents(c.about("WaitForFirstConsumer", "WaitForPodScheduled"))
		f.Cause = fmt.Sprintf("claim %s is bound when its pod gets a node", c.name)
	case "PvcUnbound":
		events := c.about("VolumeMismatch")
		if len(events) == 0 {
			f.quoteEvents(c.about("ProvisioningFailed"))
			f.Cause = fmt.Sprintf("claim %s has no volume: its storage class has no driver that makes one, and no free volume fits%s", c.name, c.asks())
			f.Fix = []string{"make a volume that fits: size, access modes, volumeMode, storageClassName", "or ask for one that is there: kubectl get persistentvolumes"}
			break
		}
		f.quoteEvents(events)
		f.Cause = fmt.Sprintf("claim %s has no volume: %s", c.name, quote(newest(events).Message))
		f.Fix = []string{"make the claim and the volume that it names fit: size, access modes, volumeMode, storageClassName"}
	}
	return f
}

// noProvisioner is in the text about a class whose volumes are made by hand (kubernetes.io/no-provisioner).
const noProvisioner = "no volume plugin matched"

// asks is what a claim asks for, in parentheses.
func (c claim) asks() string {
	if c.object == nil {
		return ""
	}
	var modes []string
	for _, m := range c.object.Spec.AccessModes {
		modes = append(modes, string(m))
	}
	return fmt.Sprintf(" (it asks for %s, %s)", c.object.Spec.Resources.Requests.Storage(), list(modes))
}

// quoteEvents makes events the evidence of a finding.
func (f *Finding) quoteEvents(events []Event) {
	if len(events) > 0 {
		f.Evidence, f.Count = proofs(events, 1), occurrences(events)
	}
}

// sayClass is about a storage class that does not exist.
func (s *facts) sayClass(f *Finding, c claim) {
	events := c.about("ProvisioningFailed", "FailedBinding")
	f.quoteEvents(events)
	if strings.HasSuffix(f.FieldPath, ".spec") || f.FieldPath == "spec" {
		f.FieldPath += ".storageClassName"
	}
	class := ""
	if c.object != nil && c.object.Spec.StorageClassName != nil {
		class = *c.object.Spec.StorageClassName
	}
	for _, e := range events {
		if missing, ok := messages.MissingClass(e.Message); ok {
			class = missing
		}
	}
	existing := slices.Sorted(slices.Values(s.Names["StorageClass"]))
	if class == "" {
		f.Confidence = Proven
		if len(events) == 0 { // the claim alone says so; its age is the patience
			f.Confidence = Likely
			f.After = max(confirm, f.After-s.now.Sub(f.FirstSeen))
			f.Evidence = []Proof{{Type: "status", Text: "phase Pending, no storageClassName, no volumeName", Ref: "persistentvolumeclaim/" + c.name}}
		}
		f.Cause = fmt.Sprintf("claim %s names no storage class, the cluster has no default one, and no free volume fits", c.name)
		f.Fix = []string{"name a class in storageClassName: kubectl get storageclass lists those that exist; a claim cannot be changed, so delete it first"}
		if len(existing) > 0 {
			f.Fix[0] = "name a class in storageClassName, one of " + list(existing) + "; a claim cannot be changed, so delete it first"
		}
		return
	}
	f.Confidence, f.Detail = Proven, class
	f.Cause = fmt.Sprintf("claim %s asks for storage class %s, which does not exist", c.name, class)
	f.Fix = []string{"correct storageClassName: kubectl get storageclass lists those that exist; a claim cannot be changed, so delete it first"}
	if near := nearest(class, existing); near != "" {
		f.Cause += "; there is " + near
		f.Fix[0] = fmt.Sprintf("write storageClassName: %s, if that was meant; a claim cannot be changed, so delete it first", near)
	} else if len(existing) > 0 {
		f.Cause += "; there are " + list(existing)
	}
	s.patient(f, "StorageClass", class)
}

// claimNotFound is the scheduler's word for a claim that does not exist.
func (s *facts) claimNotFound(p *corev1.Pod, claim string) Finding {
	f := s.on(p, "PvcNotFound")
	f.Confidence, f.Detail, f.FieldPath = Proven, claim, s.volumeField(p, claim)
	f.Cause = fmt.Sprintf("the pod needs claim %s, which does not exist in namespace %s", claim, p.Namespace)
	f.Fix = []string{"create the claim, or correct its name"}
	if near := nearest(claim, s.Names["PersistentVolumeClaim"]); near != "" {
		f.probably(near, "; there is ", "or create claim "+claim)
	}
	s.patient(&f, "PersistentVolumeClaim", claim)
	return f
}

// claimLeaving is the scheduler's word for a claim that is being deleted.
func (s *facts) claimLeaving(p *corev1.Pod, claim string) Finding {
	f := s.on(p, "PvcDeleting")
	f.FieldPath, f.Detail = s.volumeField(p, claim), claim
	s.sayDeleting(&f, claim)
	return f
}

func (s *facts) sayDeleting(f *Finding, claim string) {
	f.Confidence = Proven
	f.Cause = fmt.Sprintf("claim %s is being deleted, so no new pod may use it", claim)
	f.Fix = []string{"let the pods that still use the claim end, so that it goes, and create it anew"}
	for _, old := range s.old {
		if slices.ContainsFunc(old.Spec.Volumes, func(v corev1.Volume) bool { return claimOf(old, v) == claim }) {
			f.Cause += fmt.Sprintf("; old pod %s keeps it", old.Name)
			break
		}
	}
	s.patient(f, "PersistentVolumeClaim", claim)
}

// resizing notes a claim whose enlargement is not done.
func (s *facts) resizing(c claim) (Finding, bool) {
	failed := c.about("VolumeResizeFailed", "FileSystemResizeFailed")
	text := ""
	if c.object != nil {
		for _, cond := range c.object.Status.Conditions {
			if cond.Status == corev1.ConditionTrue && (cond.Type == corev1.PersistentVolumeClaimResizing || cond.Type == corev1.PersistentVolumeClaimFileSystemResizePending) {
				text = string(cond.Type) + ": " + quote(cond.Message)
			}
		}
	}
	if text == "" && len(failed) == 0 {
		return Finding{}, false
	}
	f := s.onClaim(c, "VolumeResizePending")
	f.Cause = fmt.Sprintf("claim %s is being enlarged, and that is not done yet", c.name)
	if len(failed) > 0 {
		f.quoteEvents(failed)
		f.Cause = fmt.Sprintf("claim %s cannot be enlarged: %s", c.name, quote(newest(failed).Message))
	} else {
		f.Evidence = []Proof{{Type: "condition", Text: text, Ref: "persistentvolumeclaim/" + c.name}}
	}
	return f, true
}
