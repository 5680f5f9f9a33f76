package messages

import (
	"regexp"
	"strconv"
	"strings"
)

// What the kubelet, the attach-detach controller and the controller of claims say about storage
// (pkg/volume/util/operationexecutor, pkg/controller/volume).
var (
	mountSetUp   = regexp.MustCompile(`(?s)MountVolume\.\w+ failed for volume "([^"]+)"\s*:\s*(.*)`)
	usedBy       = regexp.MustCompile(`already used by (?:pod\(s\) (.+?))?(?: and )?(?:(\d+) pod\(s\) in different namespaces)?$`)
	attached     = regexp.MustCompile(`already exclusively attached`)
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
	// Reworded in 1.37, and in later patches of 1.35 and 1.36: where the old pod leaves, nothing is wrong.
	{"MultiAttach", regexp.MustCompile(`Multi-Attach error|Waiting for detach for volume |already exclusively attached`)},
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

// VolumeUsers are the pods that use a volume on another node, as far as a text tells
// (pkg/controller/volume/attachdetach/reconciler, reportMultiAttachError).
type VolumeUsers struct {
	Pods      []string // their names, in the namespace of the pod that waits
	Elsewhere int      // how many are in other namespaces; their names are not told
	Gone      bool     // none is left, and the volume is still attached
}

// ParseVolumeUsers reads who uses a volume; the result is empty for texts that do not tell.
func ParseVolumeUsers(text string) VolumeUsers {
	m := usedBy.FindStringSubmatch(text)
	if m == nil {
		return VolumeUsers{Gone: attached.MatchString(text)}
	}
	elsewhere, _ := strconv.Atoi(m[2])
	return VolumeUsers{
		Pods:      strings.FieldsFunc(m[1], func(r rune) bool { return r == ',' || r == ' ' }),
		Elsewhere: elsewhere,
	}
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
