package diagnosis

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// imageReasons are the reasons of a container that waits for its image (pkg/kubelet/images/types.go).
var imageReasons = map[string]bool{
	"ErrImagePull": true, "ImagePullBackOff": true, "InvalidImageName": true, "ErrImageNeverPull": true,
	"ImageInspectError": true, "RegistryUnavailable": true, "SignatureValidationFailed": true,
}

// imageTests tell pull errors apart, in this order: a missing platform also says "not found", Docker Hub's missing
// repositories say "denied". The texts are those of containerd (1.x and its 2.x transfer service), CRI-O and
// cri-dockerd; they are searched, never anchored, because each runtime wraps them differently.
var imageTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"ImageNameInvalid", regexp.MustCompile(`(?i)invalidimagename|invalid reference format|couldn't parse image (name|reference)|must be lowercase`)},
	{"ImagePlatformMismatch", regexp.MustCompile(`(?i)no match for platform in manifest|no matching manifest for|no image found in (manifest list|image index) for architecture|does not match the specified platform`)},
	{"ImageSignatureRejected", regexp.MustCompile(`(?i)signaturevalidationfailed|signature validation|image verifier|source image rejected`)},
	{"ImageRateLimited", regexp.MustCompile(`(?i)toomanyrequests|\b429\b|rate limit`)},
	{"RegistryTls", regexp.MustCompile(`(?i)x509:|certificate|server gave http response to https client|\btls:`)},
	{"RegistryUnreachable", regexp.MustCompile(`(?i)no such host|i/o timeout|connection refused|connection reset|no route to host|deadline exceeded|client\.timeout|\beof\b|proxyconnect|\b50[0-4]\b|registryunavailable`)},
	{"ImageUnpackFailed", regexp.MustCompile(`(?i)no space left|failed to extract|\bunpack(ing)?\b|input/output error|schema 1 .*no longer supported`)},
	{"ImagePullDenied", regexp.MustCompile(`(?i)unauthorized|\b40[13]\b|forbidden|\bdenied\b|insufficient_scope|no basic auth credentials|failed to fetch (anonymous|oauth) token|authentication required|unauthenticated|permissiondenied`)},
	{"ImageNotFound", regexp.MustCompile(`(?i)manifest unknown|name unknown|not ?found|\b404\b|does not exist`)},
	{"ImageNeverPull", regexp.MustCompile(`(?i)errimageneverpull|not present with pull policy of never`)},
	{"ImageInspectFailed", regexp.MustCompile(`(?i)imageinspecterror|failed to inspect image`)},
}

var (
	pullWrapper = regexp.MustCompile(`(?i)back-off pulling image "[^"]*":? ?|errimagepull: ?|failed to pull image "[^"]*": ?|failed to pull and unpack image "[^"]*": ?|failed to resolve (reference|image)( "[^"]*")?: ?|rpc error: code = \w+ desc = |error response from daemon: ?|initializing source [^ ]+: |reading manifest [^ ]+ in [^ ]+: `)
	pullCode    = regexp.MustCompile(`rpc error: code = (\w+)`)
	urls        = regexp.MustCompile(`"?https?://[^\s"]+"?`)
)

// explainImage names what keeps an image from the node: ImageNameInvalid, ImageNotFound, ImagePullDenied,
// ImagePullSecretMissing, ImageRateLimited, RegistryUnreachable, RegistryTls, ImagePlatformMismatch, ImageNeverPull,
// ImageSignatureRejected, ImageUnpackFailed, ImageInspectFailed, ImagePullFailed. The kubelet puts the runtime's words
// into the waiting state; before 1.32 the back-off state did not repeat them, and they are taken from the newest
// "Failed" event.
func explainImage(s *scene) []Finding {
	var found []Finding
	for _, c := range s.containers {
		reason, message := c.waiting()
		if !imageReasons[reason] {
			continue
		}
		failures := s.eventsAbout(c, "Failed", "Failed to pull image")
		text := message
		if len(pullWrapper.ReplaceAllString(text, "")) == 0 && len(failures) > 0 {
			text = failures[len(failures)-1].Message
		}
		f := s.in(c, imageCode(reason, text, c.spec.Image))
		f.FieldPath = s.field(c, "image")
		f.Count = pullAttempts(s, c, failures)
		f.Detail = c.spec.Image
		f.Evidence = append([]Proof{c.statusProof()}, proofs(failures, 1)...)
		if len(failures) > 0 && !failures[0].First.IsZero() {
			f.FirstSeen = failures[0].First
		}
		s.sayImage(&f, c, text)
		found = append(found, f)
	}
	return found
}

// imageCode decodes a pull error. The image's own name is taken out first: a repository may be called "forbidden".
func imageCode(reason, text, image string) string {
	grpc := ""
	if m := pullCode.FindStringSubmatch(text); m != nil && m[1] != "Unknown" {
		grpc = m[1]
	}
	text = strings.ReplaceAll(urls.ReplaceAllString(text, "URL"), image, "IMAGE")
	if at := strings.LastIndexAny(image, ":@"); at > 0 {
		text = strings.ReplaceAll(text, image[:at], "IMAGE")
	}
	// The wrappers say "unpack" even if it never came to that.
	text = reason + " " + grpc + " " + pullWrapper.ReplaceAllString(text, "")
	for _, t := range imageTests {
		if t.text.MatchString(text) {
			return t.code
		}
	}
	return "ImagePullFailed"
}

// pullAttempts counts how often the kubelet tried. Events may be missing; the image back-off starts at ten seconds, so
// that a container that waits for longer was tried twice.
func pullAttempts(s *scene, c container, failures []Event) int {
	n := occurrences(failures)
	started := c.pod.Status.StartTime
	if n < 2 && started != nil && s.now.Sub(started.Time) >= 15*time.Second {
		n = 2
	}
	return max(n, 1)
}

// sayImage writes the sentence and the remedy.
func (s *scene) sayImage(f *Finding, c container, text string) {
	image, words := c.spec.Image, pullWords(text)
	host := registry(image)
	before := ""
	if old := s.before(c); old != nil && old.Image != image {
		before = old.Image
		f.Evidence = append(f.Evidence, diff("the image of container "+c.spec.Name, before, image))
	}
	f.Cause = fmt.Sprintf("image %s of container %s cannot be pulled: %s", image, c.spec.Name, words)
	switch f.Code {
	case "ImageNameInvalid":
		f.Confidence = Proven
		f.Cause = fmt.Sprintf("image %q of container %s is not a valid image name", image, c.spec.Name)
		f.Fix = []string{"write the image as host/repository:tag, in lower case"}
		if strings.HasSuffix(image, ":") || strings.Contains(image, "${") || strings.Contains(image, "$(") || strings.Contains(image, "{{") {
			f.Fix = append([]string{"set the variable that should have filled in the tag: it was empty or not replaced"}, f.Fix...)
		}
	case "ImageNotFound":
		f.Cause = fmt.Sprintf("image %s of container %s does not exist in registry %s: %s", image, c.spec.Name, host, words)
		f.Fix = []string{"check the tag for a typo, and that the build pushed it before this deploy", "if the registry replicates, wait for the copy: --grace ImageNotFound=3m"}
		if before != "" {
			f.Fix = append(f.Fix, "the previous version ran "+before)
		}
	case "ImagePullDenied":
		f.Cause = fmt.Sprintf("registry %s refuses image %s of container %s: it does not exist there, or the pod may not pull it: %s", host, image, c.spec.Name, words)
		f.Fix = []string{"check the repository name: many registries answer \"denied\" for one that does not exist", s.pullSecretHint(c, host)}
		s.pullSecretMissing(f, c)
	case "ImageRateLimited":
		f.Cause = fmt.Sprintf("registry %s limits how often image %s may be pulled", host, image) // its text can hold account data
		f.Evidence = []Proof{{Type: "status", Text: "the registry answered: too many requests", Ref: c.ref()}}
		f.Fix = []string{"pull with credentials, or through a mirror or cache"}
	case "RegistryUnreachable":
		f.Cause = fmt.Sprintf("the node cannot reach registry %s for image %s of container %s: %s", host, image, c.spec.Name, words)
		f.Fix = []string{"check the host name in the image, and DNS, proxy and firewall of the node"}
	case "RegistryTls":
		f.Cause = fmt.Sprintf("the node does not trust registry %s, or one speaks HTTP and the other HTTPS: %s", host, words)
		f.Fix = []string{"install the registry's CA on the nodes, or configure the runtime for plain HTTP"}
	case "ImagePlatformMismatch":
		f.Cause = fmt.Sprintf("image %s of container %s has no variant for the node's platform%s: %s", image, c.spec.Name, s.platform(c.pod), words)
		f.Fix = []string{"build the image for that platform too (docker buildx build --platform …)", "or choose nodes with nodeSelector kubernetes.io/arch"}
	case "ImageNeverPull":
		f.Confidence = Proven
		f.FieldPath = s.field(c, "imagePullPolicy")
		f.Cause = fmt.Sprintf("image %s of container %s is not on the node, and imagePullPolicy Never forbids to pull it", image, c.spec.Name)
		f.Fix = []string{"set imagePullPolicy: IfNotPresent", "or load the image onto every node"}
	case "ImageSignatureRejected":
		f.Fix = []string{"sign the image with a key that the nodes' policy trusts"}
	case "ImageUnpackFailed":
		f.Cause = fmt.Sprintf("the node cannot unpack image %s: %s", image, words)
		f.Fix = []string{"free disk space on the node, or use another node"}
	default:
		f.Confidence = Suspected
		f.Fix = []string{"try the pull by hand on a node: crictl pull " + image}
	}
}

// pullWords is the innermost part of a pull error.
func pullWords(text string) string {
	words := strings.Trim(pullWrapper.ReplaceAllString(text, ""), ": ")
	if words == "" {
		return "no reason given"
	}
	return quote(words)
}

// registry is the host part of an image name; Docker Hub when it has none.
func registry(image string) string {
	host, _, found := strings.Cut(image, "/")
	if found && (strings.ContainsAny(host, ".:") || host == "localhost") {
		return host
	}
	return "docker.io"
}

// pullSecretMissing notices that the kubelet did not find a pull secret. It says so also when the pull works without.
func (s *scene) pullSecretMissing(f *Finding, c container) {
	events := s.eventsAbout(c, "FailedToRetrieveImagePullSecret", "(")
	if len(events) == 0 {
		return
	}
	newest := events[len(events)-1]
	_, names, _ := strings.Cut(newest.Message, "(")
	names, _, _ = strings.Cut(names, ")")
	f.Code, f.Detail, f.FieldPath = "ImagePullSecretMissing", names, s.podPath+".imagePullSecrets"
	f.Cause = fmt.Sprintf("image %s of container %s needs a login, and pull secret %s does not exist in namespace %s", c.spec.Image, c.spec.Name, names, s.w.Ref.Namespace)
	f.Evidence = append(f.Evidence, newest.proof())
	f.Fix = []string{fmt.Sprintf("create pull secret %s in namespace %s, or correct its name", names, s.w.Ref.Namespace)}
}

func (s *scene) pullSecretHint(c container, host string) string {
	secrets := c.pod.Spec.ImagePullSecrets
	if len(secrets) == 0 {
		return "for a private image name a pull secret for " + host + " in " + s.podPath + ".imagePullSecrets or in the service account"
	}
	var names []string
	for _, r := range secrets {
		names = append(names, r.Name)
	}
	return fmt.Sprintf("check that pull secret %s exists in the namespace and is for %s", list(names), host)
}

// platform names the architecture of a pod's node when nodes were read.
func (s *scene) platform(p *corev1.Pod) string {
	for _, n := range s.Nodes {
		if n.Name == p.Spec.NodeName && n.Status.NodeInfo.Architecture != "" {
			return " (" + n.Status.NodeInfo.OperatingSystem + "/" + n.Status.NodeInfo.Architecture + ")"
		}
	}
	return ""
}

// before is the same container in the template before this change, or nil.
func (s *scene) before(c container) *corev1.Container {
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
