package rollout

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

const (
	// longestBase is how much is kept of what a generated name begins with: five random characters follow, and 63 are
	// the limit (k8s.io/apiserver, pkg/storage/names, MaxGeneratedNameLength).
	longestBase = 58
	// random matches the five characters (k8s.io/apimachinery, pkg/util/rand, String).
	random = "[a-z0-9]{5}"
	// hashCharacter is one of the ten that a pod-template-hash consists of: the digits of a number of 32 bits, each
	// written as another character (k8s.io/apimachinery, pkg/util/rand, SafeEncodeString). It has one to longestHash of
	// them.
	hashCharacter = "[4-9bcdf]"
	longestHash   = 10
)

// PodNames is a regular expression for the names of all pods that a workload ever had, to be anchored at both ends; ""
// for kinds without pods of their own. It is valid in Go and in PromQL, where it stands in a string and its
// backslashes must be doubled. Two workloads can share names: a long name is cut.
func PodNames(ref manifest.Ref) string {
	k, _ := KindOf(ref.GroupKind())
	if k.PodNames == nil {
		return ""
	}
	return k.PodNames(ref.Name)
}

// generated matches the names that are generated from a name and a dash.
func generated(name string) string {
	base := name + "-"
	return regexp.QuoteMeta(base[:min(longestBase, len(base))]) + random
}

// generatedTwice matches the names of the pods of ReplicaSets whose own names are a name, a dash and a hash. The
// ReplicaSet's name is whole (its limit is 253); what is cut is the pod's.
func generatedTwice(name string) string {
	base := name + "-"
	room := longestBase - len(base) // for the hash and the dash after it
	quoted := regexp.QuoteMeta(base[:min(longestBase, len(base))])
	switch {
	case room <= 0:
		return quoted + random
	case room > longestHash:
		return quoted + fmt.Sprintf("%s{1,%d}-", hashCharacter, longestHash) + random
	case room == 1:
		return quoted + hashCharacter + random
	}
	return quoted + fmt.Sprintf("(?:%s{1,%d}-|%s{%d})", hashCharacter, room-1, hashCharacter, room) + random
}

// generatedOrIndexed matches the names of a Job's pods. Those of an Indexed one have their index at the end, for which
// more of the name is cut (k8s.io/kubernetes, pkg/controller/job, podGenerateNameWithIndex).
func generatedOrIndexed(name string) string {
	const mostDigits, dashes = 10, 2
	if len(name) <= longestBase-mostDigits-dashes { // never cut
		return regexp.QuoteMeta(name) + "-(?:[0-9]+-)?" + random
	}
	patterns := []string{generated(name)}
	for digits := 1; digits <= mostDigits; digits++ {
		kept := name[:min(len(name), longestBase-digits-dashes)]
		patterns = append(patterns, fmt.Sprintf("%s-[0-9]{%d}-%s", regexp.QuoteMeta(kept), digits, random))
	}
	return "(?:" + strings.Join(patterns, "|") + ")"
}

// numbered matches the names of a StatefulSet's pods, which are never cut.
func numbered(name string) string { return regexp.QuoteMeta(name) + "-[0-9]+" }

// newPodNames matches the names that the new pods can have. Those of a Deployment are known by their ReplicaSet; those of
// other kinds, and when it was not read, only as pods of the workload.
func newPodNames(w Workload) *regexp.Regexp {
	pattern := PodNames(w.Ref)
	if rs := NewReplicaSet(w); rs != nil {
		pattern = generated(rs.Name)
	}
	return regexp.MustCompile("^(?:" + pattern + ")$")
}

// namesTell reports whether the names of new pods differ from those of old ones: a hash that was cut off tells nothing.
func namesTell(w Workload) bool {
	rs := NewReplicaSet(w)
	return rs != nil && len(rs.Name) <= longestBase
}
