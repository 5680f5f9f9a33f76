package messages

import "regexp"

var (
	rootImage    = regexp.MustCompile(`runAsNonRoot and image (will run as root|has non-numeric user \(([^)]*)\))|runAsUser(?:Name)? .*(breaks|break) non-root policy`)
	subPath      = regexp.MustCompile(`(?i)subPath`)
	subPathMount = regexp.MustCompile(`(?i)volumeMount "([^"]+)"`)
	cacheLag     = regexp.MustCompile(`failed to sync (configmap|secret) cache`)
	// kubeletStarts is what a kubelet says that has just come up itself.
	kubeletStarts = regexp.MustCompile(`services have not yet been read at least once`)
)

// RootUser is why the kubelet does not start a container that must not run as root
// (pkg/kubelet/kuberuntime/security_context_others.go).
type RootUser struct {
	Named string // the image's user where that is a name, of which the kubelet does not know the number
	Asked bool   // runAsUser asks for root
}

// ParseRootUser reads the kubelet's words; ok is false when they are about something else.
func ParseRootUser(text string) (u RootUser, ok bool) {
	m := rootImage.FindStringSubmatch(text)
	if m == nil {
		return RootUser{}, false
	}
	return RootUser{Named: m[2], Asked: m[3] != ""}, true
}

// SubPath is the volume of which the kubelet cannot prepare a subPath (pkg/kubelet/kubelet_pods.go, makeMounts); empty
// where the text does not name it. ok is false when it is not about a subPath.
func SubPath(text string) (volume string, ok bool) {
	return first(subPathMount, text), subPath.MatchString(text)
}

// SaysKubeletLags reports whether the kubelet only has not heard of something yet, so that its words say nothing about
// the manifest.
func SaysKubeletLags(text string) bool {
	return cacheLag.MatchString(text) || kubeletStarts.MatchString(text)
}
