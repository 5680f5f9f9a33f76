package messages

import (
	"regexp"
	"strings"
)

// What the kubelet, the attach-detach controller and the controller of claims say about storage
// (pkg/volume/util/operationexecutor, pkg/controller/volume).
var (
	mountSetUp   = regexp.MustCompile(`(?s)MountVolume\.\w+ failed for volume "([^"]+)"\s*:\s*(.*)`)
	usedBy       = regexp.MustCompile(`already used by pod\(s\) (.+)$`)
	driverName   = regexp.MustCompile(`driver name (\S+) not found in the list of registered CSI drivers`)
	classMissing = regexp.MustCompile(`storageclass\.storage\.k8s\.io "([^"]+)" not found|no persistent volumes available for this claim and no storage class is set`)
	provisioner  = regexp.MustCompile(`external provisioner ['"]([^'"]+)['"]`)
)

// mountTests tell mount events apart; the first that fits counts.
var mountTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"ConfigCacheSync", cacheLag},
	{"MultiAttach", regexp.MustCompile(`Multi-Attach error|already exclusively attached`)},
	{"CsiDriverMissing", driverName},
	{"MountConfigMissing", objectMissing},
	{"MountConfigMissing", volumeKeyMissing},
	{"HostPathTypeMismatch", regexp.MustCompile(`hostPath type check failed`)},
}

// Mount is the text of an event FailedMount, FailedAttachVolume or FailedMapVolume, taken apart.
type Mount struct {
	Code   string // the cause that the words mean; MountFailed when they are not known
	Volume string // by the pod's name for it, or that of the PersistentVolume behind it; empty where no name is given
	Words  string // what went wrong, without the arguments of the mount command, which say nothing new
}

// ParseMount takes an event apart.
func ParseMount(text string) Mount {
	found := Mount{Code: "MountFailed", Words: text}
	for _, t := range mountTests {
		if t.text.MatchString(text) {
			found.Code = t.code
			break
		}
	}
	if m := mountSetUp.FindStringSubmatch(text); m != nil {
		found.Volume, found.Words = m[1], m[2]
	}
	const output = "\nOutput: "
	if i := strings.LastIndex(found.Words, output); i >= 0 {
		head, _, _ := strings.Cut(found.Words, "\n")
		found.Words = head + ": " + found.Words[i+len(output):]
	}
	return found
}

// MissingDriver is the storage driver that a node does not have; empty for other texts.
func MissingDriver(text string) string { return first(driverName, text) }

// VolumeUsers are the pods that use a volume on another node, as the text lists them and one by one; empty when it names
// none.
func VolumeUsers(text string) (words string, pods []string) {
	words = first(usedBy, text)
	return words, strings.FieldsFunc(words, func(r rune) bool { return r == ',' || r == ' ' })
}

// MissingClass is the storage class of a claim that does not exist; empty when the claim names none and there is no
// default one. ok is false for other texts.
func MissingClass(text string) (class string, ok bool) {
	m := classMissing.FindStringSubmatch(text)
	if m == nil {
		return "", false
	}
	return m[1], true
}

// Provisioner is the storage driver that a claim waits for; empty for other texts.
func Provisioner(text string) string { return first(provisioner, text) }
