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

var ruleImage = Rule{Family: "Images", Find: explainImage, Causes: []Cause{
	{Code: "ImageNameInvalid", class: now("image", LayerPod, ScopeSpec),
		InUndo:  "UndoImageGone",
		Meaning: "The image is not written as an image name: upper case, a forbidden character, or an empty tag because a variable of the pipeline was empty.",
		Signals: "Waiting reason `InvalidImageName`, or `couldn't parse image name` and `invalid reference format` in its message.",
		Remedy:  "Write the image as host/repository:tag in lower case, and set the variable that should have filled in the tag."},
	{Code: "ImageNotFound", class: after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
		InUndo:  "UndoImageGone",
		Meaning: "The registry answers that it has no such image: the tag or digest does not exist in the repository.",
		Signals: "`not found`, `manifest unknown` or `name unknown` in the message of `ErrImagePull` or `ImagePullBackOff`, or in the newest `Failed` event.",
		Remedy:  "Check the tag for a typo and that the build pushed it before this deploy; a registry that replicates may need a moment (`--grace ImageNotFound=3m`)."},
	{Code: "ImagePullDenied", class: after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
		LooksUp: []string{"Secret"}, InUndo: "UndoImageGone",
		Meaning: "The registry refuses the image. Many registries, Docker Hub among them, say the same whether the repository is missing or private.",
		Signals: "`unauthorized`, `denied`, `403 Forbidden`, `insufficient_scope` or `no basic auth credentials` in the pull error.",
		Remedy:  "Check the repository's name, and that a pull secret for that registry exists in the namespace and is named in `imagePullSecrets` or by the service account."},
	{Code: "ImagePullSecretMissing", class: after("image", LayerPod, ScopeSpec, 2, 30*time.Second),
		LooksUp: []string{"Secret"}, MayArrive: true, InUndo: "UndoImageGone",
		Meaning: "The registry refuses the image, and the pull secret that the pod names does not exist in its namespace.",
		Signals: "An event `FailedToRetrieveImagePullSecret` together with a refused pull; the event alone means nothing, because the pull may work without.",
		Remedy:  "Create the Secret in the namespace of the pod, or correct its name; Secrets are not shared between namespaces."},
	{Code: "ImageRateLimited", class: atTimeout("image", LayerCluster, ScopeEnv),
		InUndo:  "UndoImageGone",
		Meaning: "The registry limits how often images may be pulled, and the limit is reached for now.",
		Signals: "`toomanyrequests`, `429 Too Many Requests` or `pull rate limit` in the pull error; its words are not repeated because they can name an account.",
		Remedy:  "Pull with credentials, or through a mirror or cache; it heals when the limit is lifted."},
	{Code: "RegistryUnreachable", class: atTimeout("image", LayerCluster, ScopeEnv),
		InUndo:  "UndoImageGone",
		Meaning: "The node cannot reach the registry, or the registry itself fails; nothing is known about the image.",
		Signals: "`no such host`, `i/o timeout`, `connection refused`, `TLS handshake timeout`, `EOF` or a status of 500 to 504 in the pull error.",
		Remedy:  "Check the host in the image's name, and DNS, proxy and firewall of the node; a registry that is down heals by itself."},
	{Code: "RegistryTls", class: after("image", LayerCluster, ScopeEnv, 2, time.Minute),
		InUndo:  "UndoImageGone",
		Meaning: "The node does not trust the registry's certificate, or one of the two speaks HTTP and the other HTTPS.",
		Signals: "`x509:`, `certificate`, `tls:` or `server gave HTTP response to HTTPS client` in the pull error.",
		Remedy:  "Install the registry's CA on the nodes, renew its certificate, or configure the runtime for plain HTTP."},
	{Code: "ImagePlatformMismatch", class: after("image", LayerPod, ScopeNode, 2, 10*time.Second),
		InUndo:  "UndoImageGone",
		Meaning: "The image exists, but has no variant for the operating system and processor of the node.",
		Signals: "`no match for platform in manifest`, `no matching manifest for` or `no image found in image index for architecture` in the pull error.",
		Remedy:  "Build the image for that platform too, or choose nodes with `nodeSelector` `kubernetes.io/arch`."},
	{Code: "ImageNeverPull", class: after("image", LayerPod, ScopeNode, 1, confirm),
		InUndo:  "UndoImageGone",
		Meaning: "The image is not on the node, and `imagePullPolicy: Never` forbids to pull it. As of Kubernetes 1.35 a private image counts as absent for a pod without credentials.",
		Signals: "Waiting reason `ErrImageNeverPull`, or `not present with pull policy of Never` in its message.",
		Remedy:  "Set `imagePullPolicy: IfNotPresent`, or load the image onto every node."},
	{Code: "ImageSignatureRejected", class: after("image", LayerPod, ScopeSpec, 2, 10*time.Second),
		InUndo:  "UndoImageGone",
		Meaning: "The nodes accept signed images only, and this one is not signed with a key that they trust.",
		Signals: "Waiting reason `SignatureValidationFailed`, `Source image rejected` (CRI-O), or `image verifier … blocked pull` (containerd).",
		Remedy:  "Sign the image with a key that the policy of the nodes trusts, or correct the policy."},
	{Code: "ImageUnpackFailed", class: after("image", LayerCluster, ScopeNode, 3, time.Minute),
		InUndo:  "UndoImageGone",
		Meaning: "The image was pulled, but the node cannot unpack it: its disk is full or broken, or the image is of a format that the runtime no longer reads.",
		Signals: "`no space left on device`, `failed to extract layer`, `input/output error` or `schema 1 … no longer supported` in the pull error.",
		Remedy:  "Free disk space on the node or use another one; push an image of an old format again with a current tool."},
	{Code: "ImageInspectFailed", class: atTimeout("image", LayerCluster, ScopeNode),
		InUndo:  "UndoImageGone",
		Meaning: "The runtime of the node cannot say whether it has the image; the runtime is in trouble, not the image.",
		Signals: "Waiting reason `ImageInspectError`, or `Failed to inspect image` in its message.",
		Remedy:  "Look at the container runtime of the node."},
	{Code: "ImagePullFailed", class: atTimeout("image", LayerPod, ScopeEnv),
		InUndo:  "UndoImageGone",
		Meaning: "The image cannot be pulled, for a reason that is not among the known ones.",
		Signals: "Waiting reason `ErrImagePull` or `ImagePullBackOff` with any other text.",
		Remedy:  "Act on the runtime's words, or try the pull by hand on a node."},
}}

// imageReasons are the reasons of a container that waits for its image (pkg/kubelet/images/types.go).
var imageReasons = map[string]bool{
	"ErrImagePull": true, "ImagePullBackOff": true, "InvalidImageName": true, "ErrImageNeverPull": true,
	"ImageInspectError": true, "RegistryUnavailable": true, "SignatureValidationFailed": true,
}

// pull is an image that does not come: that of a container, or of a volume that the container mounts. The kubelet tells
// of both in the container's state (pkg/kubelet/kuberuntime, getImageVolumes).
type pull struct {
	container
	image  string
	volume *corev1.Volume // nil for the container's own
	text   string         // the runtime's words
	failed []Event
}

// what names the image for a sentence.
func (p pull) what() string {
	if p.volume != nil {
		return fmt.Sprintf("image %s of volume %s, which container %s mounts,", p.image, p.volume.Name, p.spec.Name)
	}
	return fmt.Sprintf("image %s of container %s", p.image, p.spec.Name)
}

// explainImage names what keeps an image from the node: ImageNameInvalid, ImageNotFound, ImagePullDenied,
// ImagePullSecretMissing, ImageRateLimited, RegistryUnreachable, RegistryTls, ImagePlatformMismatch, ImageNeverPull,
// ImageSignatureRejected, ImageUnpackFailed, ImageInspectFailed, ImagePullFailed. The kubelet puts the runtime's words
// into the waiting state; before 1.32 the back-off state did not repeat them, and they are taken from the newest
// "Failed" event.
func explainImage(s *facts) []Finding {
	var found []Finding
	seen := map[string]bool{} // containers of a pod that wait for the same image have one cause
	for _, c := range s.containers {
		reason, _ := c.waiting()
		if !imageReasons[reason] {
			continue
		}
		p := s.pullOf(c)
		f := s.in(c, messages.ImageCode(reason, p.text, p.image))
		key := c.pod.Name + " " + f.Code + " " + p.image
		if seen[key] {
			continue
		}
		seen[key] = true
		f.FieldPath = s.imageField(p, "image")
		f.Count = pullAttempts(s, c, p.failed)
		f.Detail = p.image
		f.Evidence = append([]Proof{c.statusProof()}, proofs(p.failed, 1)...)
		if len(p.failed) > 0 && !p.failed[0].First.IsZero() {
			f.FirstSeen = p.failed[0].First
		}
		s.sayImage(&f, p)
		f.Evidence = append(f.Evidence, s.pullFacts(p, f)...)
		found = append(found, f)
	}
	return found
}

// pullOf finds out which image a container waits for, and the words about it. Events about the image of a volume name
// no container.
func (s *facts) pullOf(c container) pull {
	_, message := c.waiting()
	p := pull{container: c, image: c.spec.Image, text: message}
	failed := s.eventsAbout(c, "Failed", "Failed to pull image")
	for i, v := range c.pod.Spec.Volumes {
		if v.Image == nil || v.Image.Reference == "" || v.Image.Reference == c.spec.Image || !mounts(c.spec, v.Name) {
			continue
		}
		if strings.Contains(message, v.Image.Reference) {
			p.volume, p.image = &c.pod.Spec.Volumes[i], v.Image.Reference
		}
	}
	for _, e := range failed {
		if strings.Contains(e.Message, fmt.Sprintf("%q", p.image)) {
			p.failed = append(p.failed, e)
		}
	}
	if messages.SaysNothing(message) && len(p.failed) > 0 {
		p.text = p.failed[len(p.failed)-1].Message
	}
	return p
}

func mounts(c corev1.Container, volume string) bool {
	for _, m := range c.VolumeMounts {
		if m.Name == volume {
			return true
		}
	}
	return false
}

// imageField is the field of an image, or of its pull policy.
func (s *facts) imageField(p pull, field string) string {
	if p.volume == nil {
		return s.field(p.container, field)
	}
	return fmt.Sprintf("%s.volumes[name=%s].image.%s", s.podPath, p.volume.Name, map[string]string{"image": "reference", "imagePullPolicy": "pullPolicy"}[field])
}

// pullAttempts counts how often the kubelet tried. Events may be missing; the image back-off starts at ten seconds, so
// that a container that waits for longer was tried twice.
func pullAttempts(s *facts, c container, failures []Event) int {
	n := occurrences(failures)
	started := c.pod.Status.StartTime
	if n < 2 && started != nil && s.now.Sub(started.Time) >= 15*time.Second {
		n = 2
	}
	return max(n, 1)
}

// sayImage writes the sentence and the remedy.
func (s *facts) sayImage(f *Finding, p pull) {
	image, words, host := p.image, messages.PullWords(p.text), messages.Registry(p.image)
	f.Cause = fmt.Sprintf("%s cannot be pulled: %s", p.what(), words)
	switch f.Code {
	case "ImageNameInvalid":
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("image %q of container %s is not a valid image name", image, p.spec.Name)
		f.Fix = []string{"write the image as host/repository:tag, in lower case"}
		if strings.HasSuffix(image, ":") || strings.Contains(image, "${") || strings.Contains(image, "$(") || strings.Contains(image, "{{") {
			f.Fix = append([]string{"set the variable that should have filled in the tag: it was empty or not replaced"}, f.Fix...)
		}
	case "ImageNotFound":
		f.Cause = fmt.Sprintf("%s does not exist in registry %s: %s", p.what(), host, words)
		f.Fix = []string{"check the tag for a typo, and that the build pushed it before this deploy", "if the registry replicates, wait for the copy: --grace ImageNotFound=3m"}
		if now, was, only := s.onlyTag(p); only {
			f.Cause += fmt.Sprintf("; only the tag changed, from %s to %s", was, now)
			f.Fix[0] = fmt.Sprintf("check that the build pushed tag %s before this deploy, and the variable of the pipeline that fills it in", now)
		}
	case "ImagePullDenied":
		f.Cause = fmt.Sprintf("registry %s refuses %s: it is missing there or private: %s", host, strings.TrimSuffix(p.what(), ","), words)
		f.Fix = []string{"check the repository name: many registries answer \"denied\" for one that does not exist", s.pullSecretHint(p, host)}
		s.pullSecretMissing(f, p)
	case "ImageRateLimited":
		f.Cause = fmt.Sprintf("registry %s limits how often image %s may be pulled", host, image) // its text can hold account data
		f.Evidence = []Proof{{Type: "status", Text: "the registry answered: too many requests", Ref: p.ref()}}
		f.Fix = []string{"pull with credentials, or through a mirror or cache"}
	case "RegistryUnreachable":
		f.Cause = fmt.Sprintf("the node cannot reach registry %s for %s: %s", host, strings.TrimSuffix(p.what(), ","), words)
		f.Fix = []string{"check the host name in the image, and DNS, proxy and firewall of the node"}
		s.newRegistry(f, p, words)
	case "RegistryTls":
		f.Cause = fmt.Sprintf("the node does not trust registry %s, or one speaks HTTP and the other HTTPS: %s", host, words)
		f.Fix = []string{"install the registry's CA on the nodes, or configure the runtime for plain HTTP"}
	case "ImagePlatformMismatch":
		f.Cause = fmt.Sprintf("%s has no variant for the node's platform%s: %s", p.what(), s.platform(p.pod), words)
		f.Fix = []string{"build the image for that platform too (docker buildx build --platform …)", "or choose nodes with nodeSelector kubernetes.io/arch"}
		if archs := s.architectures(); len(archs) == 1 {
			f.Scope = ScopeSpec // no node would do
			f.Fix = []string{fmt.Sprintf("build the image for linux/%s, which all nodes are (docker buildx build --platform linux/%s)", archs[0], archs[0])}
		} else if len(archs) > 1 {
			f.Cause += "; the cluster's nodes are " + list(archs)
		}
	case "ImageNeverPull":
		f.Confidence = Proven
		f.FieldPath = s.imageField(p, "imagePullPolicy")
		f.Cause = fmt.Sprintf("%s is not on the node, and imagePullPolicy Never forbids to pull it", p.what())
		f.Fix = []string{"set imagePullPolicy: IfNotPresent", "or load the image onto every node", "on Kubernetes 1.35 and later a private image that is there counts only for pods with the credentials it was pulled with"}
	case "ImageSignatureRejected":
		f.Cause = fmt.Sprintf("%s is refused by the node's signature policy: %s", p.what(), words)
		f.Fix = []string{"sign the image with a key that the nodes' policy trusts"}
	case "ImageUnpackFailed":
		f.Cause = fmt.Sprintf("the node cannot unpack image %s: %s", image, words)
		f.Fix = []string{"free disk space on the node, or use another node"}
		if strings.Contains(words, "schema 1") {
			f.Scope = ScopeSpec
			f.Fix = []string{"push the image again with a current tool: the runtime no longer reads its format (schema 1)"}
		}
	default:
		f.Confidence = Suspected
		f.Fix = []string{"try the pull by hand on a node: crictl pull " + image}
	}
}

// platform names the architecture of a pod's node when nodes were read.
func (s *facts) platform(p *corev1.Pod) string {
	for _, n := range s.Nodes {
		if n.Name == p.Spec.NodeName && n.Status.NodeInfo.Architecture != "" {
			return " (" + cmp.Or(n.Status.NodeInfo.OperatingSystem, "linux") + "/" + n.Status.NodeInfo.Architecture + ")"
		}
	}
	return ""
}

// before is the same container in the template before this change, or nil.
func (s *facts) before(c container) *corev1.Container {
	if s.previous == nil {
		return nil
	}
	containers := s.previous.Spec.Containers
	if c.initial {
		containers = s.previous.Spec.InitContainers
	}
	for i := range containers {
		if containers[i].Name == c.spec.Name {
			return &containers[i]
		}
	}
	return nil
}

// architectures are those of the nodes that can run pods, sorted.
func (s *facts) architectures() []string {
	var archs []string
	for _, n := range s.Nodes {
		if a := n.Status.NodeInfo.Architecture; a != "" && !n.Spec.Unschedulable && !slices.Contains(archs, a) {
			archs = append(archs, a)
		}
	}
	slices.Sort(archs)
	return archs
}
