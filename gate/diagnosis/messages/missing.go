package messages

import "regexp"

// The kubelet's words for what an environment or a volume refers to (pkg/kubelet/kubelet_pods.go,
// makeEnvironmentVariables; pkg/volume/configmap and secret, MakePayload).
var (
	objectMissing    = regexp.MustCompile(`(?i)(configmap|secret) "([^"]+)" not found`)
	keyMissing       = regexp.MustCompile(`couldn't find key (\S+) in (ConfigMap|Secret) \S*?/?([^/\s]+)$`)
	volumeKeyMissing = regexp.MustCompile(`references non-existent (config|secret) key: ([^\s,\]]+)`)
)

// Missing is a ConfigMap or Secret that does not exist, or a key of one.
type Missing struct {
	Kind string // ConfigMap or Secret
	Name string // of the object; empty where the text does not say
	Key  string // empty when the whole object is missing
}

// MissingObject reads which ConfigMap or Secret does not exist.
func MissingObject(text string) (m Missing, ok bool) {
	if found := objectMissing.FindStringSubmatch(text); found != nil {
		return Missing{Kind: kindOf(found[1]), Name: found[2]}, true
	}
	return Missing{}, false
}

// MissingKey reads which key of an object a variable of a container wants in vain.
func MissingKey(text string) (m Missing, ok bool) {
	if found := keyMissing.FindStringSubmatch(text); found != nil {
		return Missing{Kind: found[2], Name: found[3], Key: found[1]}, true
	}
	return Missing{}, false
}

// MissingVolumeKey reads which key a volume wants in vain. The text does not name the object.
func MissingVolumeKey(text string) (m Missing, ok bool) {
	if found := volumeKeyMissing.FindStringSubmatch(text); found != nil {
		return Missing{Kind: kindOf(found[1]), Key: found[2]}, true
	}
	return Missing{}, false
}

// kindOf spells a kind that a message wrote in lower case.
func kindOf(word string) string {
	if len(word) > 0 && (word[0] == 's' || word[0] == 'S') {
		return "Secret"
	}
	return "ConfigMap"
}
