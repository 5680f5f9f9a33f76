package diagnosis

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/rolloutgate/rolloutgate/gate/diagnosis/messages"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

var ruleVolume = Rule{Family: "Volumes", Find: explainMounts, Causes: []Cause{
	{Code: "MountConfigMissing", class: after("volume", LayerCluster, ScopeSpec, 1, 30*time.Second),
		LooksUp: []string{"ConfigMap", "Secret"}, LooksUpKeys: true, MayArrive: true, TriedSeldom: true, InUndo: "UndoConfigDrift",
		Meaning: "A volume shows a ConfigMap or Secret, or a key of one, that does not exist.",
		Signals: "The pod's event FailedMount with \"configmap … not found\", \"secret … not found\" or \"references non-existent config key\".",
		Remedy:  "Create the object or the key, or correct its name; mark the source optional if the program can do without."},
	{Code: "ConfigCacheSync", class: atTimeout("volume", LayerCluster, ScopeNode),
		Meaning: "The node's kubelet has not heard of the ConfigMaps or Secrets of the pod yet. That says nothing about the manifest and usually passes in seconds.",
		Signals: "The pod's event FailedMount with \"failed to sync configmap cache\" or \"failed to sync secret cache\".",
		Remedy:  "Wait; if it lasts, look at the kubelet's connection to the API server."},
	{Code: "CsiDriverMissing", class: after("volume", LayerCluster, ScopeNode, 3, 3*time.Minute),
		Meaning: "The storage driver of a volume does not run on the node, so that nothing can mount the volume there.",
		Signals: "The pod's event FailedMount or FailedAttachVolume with \"not found in the list of registered CSI drivers\", or PodScheduled=False with \"CSI driver is not installed on the node\".",
		Remedy:  "Install the driver, or let its DaemonSet run on that node (tolerations). On a new node it takes a minute to register."},
	{Code: "HostPathTypeMismatch", class: after("volume", LayerCluster, ScopeNode, 2, time.Minute),
		Meaning: "A hostPath volume needs a path of the node that is not there, or that is something else than its type says.",
		Signals: "The pod's event FailedMount with \"hostPath type check failed\".",
		Remedy:  "Correct the path or hostPath.type, or use DirectoryOrCreate; better, use a volume that does not depend on the node."},
	{Code: "MountFailed", class: atTimeout("volume", LayerCluster, ScopeEnv),
		Meaning: "The node cannot mount a volume of the pod.",
		Signals: "The pod's event FailedMount or FailedMapVolume. \"Unable to attach or mount volumes\" only says that, and counts when there is no other.",
		Remedy:  "Act on the message: most often a file server that does not answer or refuses, a damaged file system, or missing rights."},
	{Code: "MultiAttach", class: atTimeout("volume", LayerCluster, ScopeSpec),
		Meaning: "The pod's volume can be attached to one node at a time, and another node has it.",
		Signals: "The pod's event FailedAttachVolume with \"Multi-Attach error\" or, in newer versions, \"Waiting for detach\"; a deadlock is proven when an old pod that maxUnavailable 0 keeps is the one that uses it.",
		Remedy:  "Use strategy Recreate, or maxSurge 0 and maxUnavailable 1, so that the old pod leaves first; or a volume with access mode ReadWriteMany. After a node is lost, the volume is free after about six minutes."},
	{Code: "AttachFailed", class: atTimeout("volume", LayerCluster, ScopeEnv),
		Meaning: "A volume of the pod cannot be attached to its node.",
		Signals: "The pod's event FailedAttachVolume with \"AttachVolume.Attach failed\".",
		Remedy:  "Act on the message of the cloud or the storage driver; \"timed out waiting for external-attacher\" means that the driver does not work."},
	{Code: "VolumeOwnershipSlow", class: atTimeout("volume", LayerCluster, ScopeSpec),
		Meaning: "The node changes the owner of every file in a volume before the pod may start, and there are many files.",
		Signals: "The pod's event VolumePermissionChangeInProgress.",
		Remedy:  "Set securityContext.fsGroupChangePolicy: OnRootMismatch, so that this is done once and not at each start."},
}}

// mountReasons are the reasons of the events that are about volumes.
var mountReasons = map[string]bool{"FailedMount": true, "FailedAttachVolume": true, "FailedMapVolume": true, "VolumePermissionChangeInProgress": true}

// explainMounts names what keeps the volumes of a pod that has a node from being mounted. Only events know; the pod
// itself says ContainerCreating.
func explainMounts(s *facts) []Finding {
	var found []Finding
	for _, p := range s.pods {
		if p.Spec.NodeName == "" || begun(p) {
			continue
		}
		var mine []Finding
		events := s.eventsOf(string(p.UID), func(e Event) bool { return mountReasons[e.Reason] && !s.attachedSince(p, e) })
		seen := map[string]bool{}
		for _, e := range slices.Backward(events) { // newest first
			if f := s.mount(p, e); !seen[f.Code+f.Detail] {
				seen[f.Code+f.Detail] = true
				mine = append(mine, f)
			}
		}
		found = append(found, specific(mine)...)
	}
	return found
}

// specific leaves out what only says that something is wrong when another finding says what.
func specific(found []Finding) []Finding {
	vague := func(f Finding) bool { return f.Confidence == Suspected }
	if slices.ContainsFunc(found, func(f Finding) bool { return !vague(f) }) {
		return slices.DeleteFunc(found, vague)
	}
	return found
}

// attachedSince reports whether the volume of a failed attachment was attached later.
func (s *facts) attachedSince(p *corev1.Pod, e Event) bool {
	return e.Reason == "FailedAttachVolume" && len(s.eventsOf(string(p.UID), func(o Event) bool {
		return o.Reason == "SuccessfulAttachVolume" && o.Time.After(e.Time)
	})) > 0
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

// mount decodes one event.
func (s *facts) mount(p *corev1.Pod, e Event) Finding {
	m := messages.ParseMount(e.Message)
	code := m.Code
	switch {
	case e.Reason == "VolumePermissionChangeInProgress":
		code = "VolumeOwnershipSlow"
	case e.Reason == "FailedAttachVolume" && code == "MountFailed":
		code = "AttachFailed"
	}
	f := s.on(p, code)
	f.Count, f.Evidence = max(e.Count, 1), []Proof{e.proof()}
	if !e.First.IsZero() {
		f.FirstSeen = e.First
	}
	f.FieldPath = s.podPath + ".volumes"
	volume := m.Volume
	if name := s.volumeNamed(p, volume); name != "" {
		volume, f.Detail = name, name
		f.FieldPath = fmt.Sprintf("%s.volumes[name=%s]", s.podPath, name)
	}
	s.sayMount(&f, p, volume, m.Words)
	return f
}

// sayMount puts an event into words.
func (s *facts) sayMount(f *Finding, p *corev1.Pod, volume, words string) {
	switch f.Code {
	case "MountConfigMissing":
		s.sayMountConfig(f, p, volume, words)
	case "MultiAttach":
		s.sayMultiAttach(f, p, words)
	case "ConfigCacheSync":
		f.Confidence = Suspected
		f.Cause = fmt.Sprintf("node %s has not heard of the pod's ConfigMaps or Secrets yet: %s", p.Spec.NodeName, quote(words))
		f.Fix = []string{"look at the kubelet of node " + p.Spec.NodeName + "; the manifest is hardly to blame"}
	case "CsiDriverMissing":
		f.Detail = cmp.Or(messages.MissingDriver(words), f.Detail)
		f.Cause = fmt.Sprintf("storage driver %s does not run on node %s, so no volume of it can be mounted there", f.Detail, p.Spec.NodeName)
		f.Fix = []string{"install the driver, or let its DaemonSet run on that node: kubectl get csinode " + p.Spec.NodeName + " lists the drivers that do", "or correct the driver's name"}
	case "HostPathTypeMismatch":
		f.FieldPath += ".hostPath"
		f.Cause = fmt.Sprintf("volume %s needs a path of the node that is not there or is something else: %s", volume, quote(words))
		f.Fix = []string{"correct the path or hostPath.type, or use DirectoryOrCreate; better, use a volume that does not depend on the node"}
	case "VolumeOwnershipSlow":
		f.FieldPath = s.podPath + ".securityContext"
		f.Cause = "the node still changes the owner of the files in a volume, of which there are many: " + quote(words)
		f.Fix = []string{"set securityContext.fsGroupChangePolicy: OnRootMismatch"}
	case "AttachFailed":
		f.Cause = fmt.Sprintf("a volume cannot be attached to node %s: %s", p.Spec.NodeName, quote(words))
		f.Fix = []string{"act on the message of the storage driver; look at kubectl get volumeattachments and the driver's pods"}
	default:
		f.Cause = "the node cannot mount a volume: " + quote(words)
		if volume != "" {
			f.Cause = fmt.Sprintf("the node cannot mount volume %s: %s", volume, quote(words))
		}
		f.Fix = []string{fmt.Sprintf("look at the storage driver and the volume: kubectl describe pod -n %s %s", p.Namespace, p.Name)}
		if strings.HasPrefix(words, "Unable to attach or mount volumes") {
			f.Confidence = Suspected
		}
	}
}

// volumeNamed is the pod's volume that an event names: by its own name, or by that of the PersistentVolume behind it.
// An event that names none is about none of them.
func (s *facts) volumeNamed(p *corev1.Pod, name string) string {
	if name == "" {
		return ""
	}
	for _, v := range p.Spec.Volumes {
		if v.Name == name {
			return name
		}
	}
	for _, v := range p.Spec.Volumes {
		for _, c := range s.Claims {
			if c.Name == claimOf(p, v) && c.Spec.VolumeName == name {
				return v.Name
			}
		}
	}
	return ""
}

// sayMountConfig names the object or key that is missing, and the one that was probably meant.
func (s *facts) sayMountConfig(f *Finding, p *corev1.Pod, volume, words string) {
	f.Confidence = Proven
	if m, ok := messages.MissingObject(words); ok {
		kind, name := m.Kind, m.Name
		f.Detail = kind + "/" + name
		f.FieldPath += sourceField(p, volume, kind, name, "")
		f.Cause = fmt.Sprintf("volume %s needs %s %s, which does not exist in namespace %s", volume, kind, name, p.Namespace)
		f.Fix = []string{fmt.Sprintf("create %s %s in namespace %s, or correct the name", kind, name, p.Namespace)}
		if near := nearest(name, s.Names[kind]); near != "" {
			f.probably(near, "; there is ", fmt.Sprintf("or create %s %s in namespace %s", kind, name, p.Namespace))
		}
		s.patient(f, kind, name)
	} else if m, ok := messages.MissingVolumeKey(words); ok {
		kind, key := m.Kind, m.Key
		name := sourceOf(p, volume, kind, key)
		f.Detail = kind + "/" + name + "#" + key
		f.FieldPath += sourceField(p, volume, kind, name, key)
		f.Cause = fmt.Sprintf("volume %s needs key %s, which its %s %s does not have", volume, key, kind, name)
		f.Fix = []string{"add the key, or correct its name in items"}
		keys := s.Keys[manifest.Ref{Kind: kind, Namespace: p.Namespace, Name: name}]
		if near := nearest(key, keys); near != "" {
			f.probably(near, "; it has ", "or add key "+key)
		} else if len(keys) > 0 {
			f.Cause += "; it has " + list(slices.Sorted(slices.Values(keys)))
		}
		if keys == nil {
			s.patient(f, kind, name)
		}
	}
	f.Fix = append(f.Fix, "mark the volume's source optional: true if the program can do without")
}

// sayMultiAttach tells a volume that an old pod keeps from one that is about to be free.
func (s *facts) sayMultiAttach(f *Finding, p *corev1.Pod, text string) {
	f.Cause = "the pod's volume can be attached to one node only, and another node has it: " + quote(text)
	f.Fix = []string{"set strategy Recreate, or maxSurge 0 and maxUnavailable 1, so that the old pod leaves first", "or use a volume with access mode ReadWriteMany"}
	users := messages.ParseVolumeUsers(text)
	f.Fix = append([]string{waitFor(users)}, f.Fix...)
	for _, old := range s.old {
		if !slices.Contains(users.Pods, old.Name) || old.Spec.NodeName == p.Spec.NodeName {
			continue
		}
		if claim, _ := s.sharedClaim(p, old.Name); claim != "" {
			f.Detail, f.FieldPath = claim, s.volumeField(p, claim)
		}
		f.Fix = f.Fix[1:]
		f.Cause = fmt.Sprintf("the new pod waits for a volume that old pod %s holds on node %s", old.Name, old.Spec.NodeName)
		if s.stuck(func(p *corev1.Pod) bool { return onNoNode(p) || s.waitsForVolume(p) }) {
			f.FieldPath = "spec.strategy"
			s.deadlock(f, fmt.Sprintf("the volume can be attached to one node at a time: old pod %s has it on %s, new pod %s needs it on %s", old.Name, old.Spec.NodeName, p.Name, p.Spec.NodeName))
			f.Fix = f.Fix[1:] // the same advice
		}
		return
	}
}

// waitFor says what has to happen on the other node.
func waitFor(users messages.VolumeUsers) string {
	names := slices.Clip(users.Pods)
	switch {
	case users.Elsewhere == 1:
		names = append(names, "a pod in another namespace")
	case users.Elsewhere > 1:
		names = append(names, fmt.Sprintf("%d pods in other namespaces", users.Elsewhere))
	}
	switch {
	case users.Gone:
		return "wait: nobody uses it there any more, and it is free when it is detached, after about six minutes at the latest"
	case len(names) == 0:
		return "wait until it is detached from the other node"
	case len(names) == 1 && users.Elsewhere < 2:
		return "wait until " + quote(names[0]) + " has ended, or end it"
	}
	return "wait until " + quote(list(names)) + " have ended, or end them"
}

// waitsForVolume reports whether another node has the volume of a pod.
func (s *facts) waitsForVolume(p *corev1.Pod) bool {
	return !begun(p) && len(s.eventsOf(string(p.UID), func(e Event) bool {
		return e.Reason == "FailedAttachVolume" && len(messages.ParseVolumeUsers(e.Message).Pods) > 0
	})) > 0
}

// sharedClaim is a claim that a pod shares with an old one, that of this name if one is given, and that old pod.
func (s *facts) sharedClaim(p *corev1.Pod, name string) (string, *corev1.Pod) {
	for _, v := range p.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		claim := v.PersistentVolumeClaim.ClaimName
		for _, old := range s.old {
			uses := func(v corev1.Volume) bool { return claimOf(old, v) == claim }
			if (name == "" || old.Name == name) && slices.ContainsFunc(old.Spec.Volumes, uses) {
				return claim, old
			}
		}
	}
	return "", nil
}
