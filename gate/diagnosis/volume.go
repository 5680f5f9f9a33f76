package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

var (
	claimMissing = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" not found`)
	classMissing = regexp.MustCompile(`storageclass\.storage\.k8s\.io "([^"]+)" not found|no persistent volumes available for this claim and no storage class is set`)
	mountSetUp   = regexp.MustCompile(`MountVolume\.SetUp failed for volume "([^"]+)"\s*:\s*(.*)`)
	mountKey     = regexp.MustCompile(`references non-existent (?:config|secret) key: (\S+)`)
	usedBy       = regexp.MustCompile(`already used by pod\(s\) (.+)$`)
)

// explainClaims names why a claim has no volume: StorageClassMissing, ProvisioningFailed, PvcLost. The claim's own
// events know (pkg/controller/volume/persistentvolume); the scheduler only says that it waits. A claim whose class
// waits for its first consumer is not at fault.
func explainClaims(s *scene) []Finding {
	var found []Finding
	for _, claim := range s.claims() {
		events := s.eventsOf(string(claim.UID), func(e Event) bool {
			return e.Reason == "ProvisioningFailed" || e.Reason == "FailedBinding"
		})
		code, text := "", ""
		if len(events) > 0 {
			text = events[len(events)-1].Message
			code = "ProvisioningFailed"
		}
		switch m := classMissing.FindStringSubmatch(text); {
		case claim.Status.Phase == corev1.ClaimLost:
			code, text = "PvcLost", "the volume that it was bound to does not exist any more"
		case claim.Status.Phase != corev1.ClaimPending:
			continue
		case m != nil:
			code = "StorageClassMissing"
		case code == "ProvisioningFailed" && events[len(events)-1].Reason == "FailedBinding":
			continue
		}
		if code == "" {
			continue
		}
		found = append(found, s.claimFinding(code, claim, text, events))
	}
	return found
}

// claims are those that the new pods use, or the claim that is gated itself.
func (s *scene) claims() []*corev1.PersistentVolumeClaim {
	if c, ok := s.w.Live.(*corev1.PersistentVolumeClaim); ok {
		if s.w.WaitsForConsumer {
			return nil
		}
		return []*corev1.PersistentVolumeClaim{c}
	}
	var used []*corev1.PersistentVolumeClaim
	for _, c := range s.Claims {
		if len(s.usersOf(c.Name)) > 0 {
			used = append(used, c)
		}
	}
	return used
}

// usersOf are the new pods with this claim.
func (s *scene) usersOf(claim string) []*corev1.Pod {
	var users []*corev1.Pod
	for _, p := range s.pods {
		for _, v := range p.Spec.Volumes {
			if v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ClaimName == claim {
				users = append(users, p)
			}
		}
	}
	return users
}

func (s *scene) claimFinding(code string, claim *corev1.PersistentVolumeClaim, text string, events []Event) Finding {
	f := s.finding(code)
	for _, p := range s.usersOf(claim.Name) {
		f.pods = append(f.pods, p.Name)
		f.Object = podRef(p)
		f.FieldPath = s.volumeField(p, claim.Name)
	}
	class := ""
	if claim.Spec.StorageClassName != nil {
		class = *claim.Spec.StorageClassName
	}
	if len(f.pods) == 0 {
		f.FieldPath = "spec.storageClassName"
	}
	f.Evidence = proofs(events, 1)
	f.Count = max(1, occurrences(events))
	f.Detail = claim.Name
	switch code {
	case "StorageClassMissing":
		f.Confidence, f.Detail = Proven, class
		f.Cause = fmt.Sprintf("claim %s asks for storage class %s, which does not exist", claim.Name, class)
		if class == "" {
			f.Cause = fmt.Sprintf("claim %s names no storage class, the cluster has no default one, and no free volume fits", claim.Name)
		}
		f.Fix = []string{"correct storageClassName: kubectl get storageclass lists those that exist; a claim cannot be changed, so delete it first"}
	case "PvcLost":
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("claim %s is lost: %s", claim.Name, text)
		f.Fix = []string{"restore the volume, or delete the claim and let it be made anew"}
	default:
		f.Cause = fmt.Sprintf("no volume can be made for claim %s: %s", claim.Name, quote(text))
		f.Fix = []string{"act on the provisioner's message: a quota, a zone, or access modes that it does not know"}
	}
	return f
}

// claimNotFound is the scheduler's word for a claim that does not exist.
func (s *scene) claimNotFound(p *corev1.Pod, claim string) Finding {
	f := s.on(p, "PvcNotFound")
	f.Confidence, f.Detail, f.FieldPath = Proven, claim, s.volumeField(p, claim)
	f.Cause = fmt.Sprintf("the pod needs claim %s, which does not exist in namespace %s", claim, p.Namespace)
	f.Fix = []string{"create the claim, or correct its name"}
	if s.togetherWith("PersistentVolumeClaim", claim) {
		f.After = together
	}
	return f
}

// volumeField is the field of the pod that names a claim; in a StatefulSet the template of the claim.
func (s *scene) volumeField(p *corev1.Pod, claim string) string {
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil || v.PersistentVolumeClaim.ClaimName != claim {
			continue
		}
		if s.w.Ref.Kind == "StatefulSet" && strings.HasSuffix(claim, p.Name) {
			return fmt.Sprintf("spec.volumeClaimTemplates[metadata.name=%s].spec", v.Name)
		}
		return fmt.Sprintf("%s.volumes[name=%s].persistentVolumeClaim.claimName", s.podPath, v.Name)
	}
	return s.podPath + ".volumes"
}

// explainMounts names what keeps a pod that has a node from starting any container: MountConfigMissing, MountFailed,
// HostPathTypeMismatch, MultiAttach, AttachFailed, SandboxFailed. Only events know; the pod itself says
// ContainerCreating.
func explainMounts(s *scene) []Finding {
	var found []Finding
	for _, p := range s.pods {
		if p.Spec.NodeName == "" || begun(p) {
			continue
		}
		events := s.eventsOf(string(p.UID), func(e Event) bool {
			switch e.Reason {
			case "FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox":
				return !cacheLag.MatchString(e.Message)
			}
			return false
		})
		seen := map[string]bool{}
		for i := len(events) - 1; i >= 0; i-- { // newest first
			f, ok := s.mount(p, events[i])
			if ok && !seen[f.Code+f.Detail] {
				seen[f.Code+f.Detail] = true
				found = append(found, f)
			}
		}
	}
	return found
}

// begun reports whether any container of a pod came as far as its image.
func begun(p *corev1.Pod) bool {
	for _, list := range [][]corev1.ContainerStatus{p.Status.InitContainerStatuses, p.Status.ContainerStatuses} {
		for _, st := range list {
			w := st.State.Waiting
			if w == nil || w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" {
				return true
			}
		}
	}
	return false
}

// mount decodes one event. "Unable to attach or mount volumes" only says that another one was not read.
func (s *scene) mount(p *corev1.Pod, e Event) (Finding, bool) {
	code := "MountFailed"
	switch {
	case e.Reason == "FailedCreatePodSandBox":
		code = "SandboxFailed"
	case strings.Contains(e.Message, "Multi-Attach error"), strings.Contains(e.Message, "already exclusively attached"):
		code = "MultiAttach"
	case e.Reason == "FailedAttachVolume":
		code = "AttachFailed"
	case objectMissing.MatchString(e.Message), mountKey.MatchString(e.Message):
		code = "MountConfigMissing"
	case strings.Contains(e.Message, "hostPath type check failed"):
		code = "HostPathTypeMismatch"
	}
	if strings.Contains(e.Message, "container init was OOM-killed") {
		return s.tooSmallToStart(p, e), true
	}
	f := s.on(p, code)
	f.Count, f.Evidence = max(e.Count, 1), []Proof{e.proof()}
	if !e.First.IsZero() {
		f.FirstSeen = e.First
	}
	f.FieldPath = s.podPath + ".volumes"
	volume, words := "", e.Message
	if m := mountSetUp.FindStringSubmatch(e.Message); m != nil {
		volume, words = m[1], m[2]
		f.Detail = volume
		f.FieldPath = fmt.Sprintf("%s.volumes[name=%s]", s.podPath, volume)
	}
	switch code {
	case "MountConfigMissing":
		s.sayMountConfig(&f, p, volume, words)
	case "MultiAttach":
		s.sayMultiAttach(&f, p, e.Message)
	case "HostPathTypeMismatch":
		f.FieldPath += ".hostPath"
		f.Cause = fmt.Sprintf("volume %s needs a path of the node that is not there or is something else: %s", volume, quote(words))
		f.Fix = []string{"correct the path or hostPath.type, or use DirectoryOrCreate; better, use a volume that does not depend on the node"}
	case "SandboxFailed":
		f.FieldPath = s.podPath
		f.Cause = "the node cannot set up the pod's network or sandbox: " + quote(words)
		f.Fix = []string{"look at the network plugin on the node; the manifest is hardly to blame"}
	default:
		f.Cause = "the node cannot mount a volume: " + quote(words)
		f.Fix = []string{fmt.Sprintf("look at the storage driver and the volume: kubectl describe pod -n %s %s", p.Namespace, p.Name)}
		if strings.HasPrefix(e.Message, "Unable to attach or mount volumes") {
			f.Confidence = Suspected
		}
	}
	return f, true
}

// tooSmallToStart is a memory limit that does not even hold the runtime's own first process: the pod's sandbox dies.
func (s *scene) tooSmallToStart(p *corev1.Pod, e Event) Finding {
	f := s.on(p, "OomKilled")
	f.Confidence, f.Count, f.Evidence = Proven, max(e.Count, 1), []Proof{e.proof()}
	var limits []string
	for _, c := range p.Spec.Containers {
		if m := c.Resources.Limits.Memory(); !m.IsZero() {
			limits = append(limits, m.String()+" for container "+c.Name)
			f.FieldPath = fmt.Sprintf("%s.containers[name=%s].resources.limits.memory", s.podPath, c.Name)
		}
	}
	f.Cause = "the pod's memory limit is too low for any process to start (" + list(limits) + ")"
	f.Fix = []string{"raise resources.limits.memory: it may lack its unit (64 is 64 bytes, 64Mi is meant)"}
	return f
}

func (s *scene) sayMountConfig(f *Finding, p *corev1.Pod, volume, words string) {
	f.Confidence = Proven
	if m := objectMissing.FindStringSubmatch(words); m != nil {
		kind := kindOf(m[1])
		f.Detail = kind + "/" + m[2]
		f.FieldPath += map[string]string{"ConfigMap": ".configMap.name", "Secret": ".secret.secretName"}[kind]
		f.Cause = fmt.Sprintf("volume %s needs %s %s, which does not exist in namespace %s", volume, kind, m[2], p.Namespace)
		f.Fix = []string{fmt.Sprintf("create %s %s in namespace %s, or correct the name", kind, m[2], p.Namespace)}
		if s.togetherWith(kind, m[2]) {
			f.After = together
		}
	} else if m := mountKey.FindStringSubmatch(words); m != nil {
		f.Detail = m[1]
		f.FieldPath += ".configMap.items"
		f.Cause = fmt.Sprintf("volume %s needs key %s, which its ConfigMap or Secret does not have", volume, m[1])
		f.Fix = []string{"add the key, or correct its name in items"}
	}
	f.Fix = append(f.Fix, "mark the volume's source optional: true if the program can do without")
}

func (s *scene) sayMultiAttach(f *Finding, p *corev1.Pod, text string) {
	f.Cause = "the pod's volume can be attached to one node only, and another node has it: " + quote(text)
	f.Fix = []string{"set strategy Recreate, or maxSurge 0 and maxUnavailable 1, so that the old pod leaves first", "or use a volume with access mode ReadWriteMany"}
	m := usedBy.FindStringSubmatch(text)
	_, unavailable := s.surge()
	for _, old := range s.old {
		if m != nil && strings.Contains(m[1], old.Name) && s.w.Ref.Kind == "Deployment" && unavailable == 0 {
			f.Terminal, f.After, f.Confidence = TerminalDeadlock, time.Minute, Proven
			f.FieldPath = "spec.strategy"
			f.Evidence = append(f.Evidence, Proof{Type: "arithmetic", Text: "maxUnavailable 0 keeps old pod " + old.Name + " until a new pod is available, and that needs the volume of " + old.Name})
			f.Cause = fmt.Sprintf("the new pod waits for a volume that old pod %s holds on another node, and maxUnavailable 0 keeps that pod until the new one is available", old.Name)
			return
		}
	}
}
