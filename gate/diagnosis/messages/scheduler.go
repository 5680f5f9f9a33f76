package messages

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Unschedulable is the scheduler's message, taken apart (pkg/scheduler/framework/types.go, FitError.Error):
//
//	0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/5 nodes are
//	available: 1 Preemption is not helpful for scheduling, 4 No preemption victims found for incoming pod.
type Unschedulable struct {
	Nodes   int
	General string // what a plugin said before it looked at nodes: a claim that does not exist
	Clauses []Clause
	// Hopeless counts nodes that would not take the pod even if all others left ("Preemption is not helpful").
	Hopeless int
}

// Clause is one reason and the number of nodes that gave it. A node gives the reasons of one plugin only, the first that
// refuses; of all plugins just the one for resources gives several at once.
type Clause struct {
	Nodes int
	Text  string
	Code  string
}

// What the scheduler says of a claim by its name.
var (
	claimMissing  = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" not found`)
	claimDeleting = regexp.MustCompile(`persistentvolumeclaim "([^"]+)" is being deleted`)
)

// MissingClaim is the claim that a reason says does not exist, DeletedClaim the one that is being deleted; empty for any
// other reason.
func MissingClaim(reason string) string { return first(claimMissing, reason) }

// DeletedClaim: see MissingClaim.
func DeletedClaim(reason string) string { return first(claimDeleting, reason) }

func first(pattern *regexp.Regexp, text string) string {
	if m := pattern.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

var (
	refusalHead = regexp.MustCompile(`^(\d+)/(\d+) nodes? (?:are|is) available:? ?`)
	clauseStart = regexp.MustCompile(`(?:^|, |\. )(\d+) [A-Za-z]`)
	notHelpful  = regexp.MustCompile(`(\d+) Preemption is not helpful`)
	namedTaint  = regexp.MustCompile(`node\(s\) had (?:untolerated )?taint \{([^:}]+): ?([^}]*)\}`)
	// eitherAffinity stood beside the clause that says which of the two it was, until 1.21.
	eitherAffinity = regexp.MustCompile(`didn't match pod affinity/anti-affinity( rules)?$`)
)

// clauseTests give reasons their codes. The reasons are the constants ErrReason… of pkg/scheduler/framework/plugins;
// some changed their words: selectors in 1.21 and 1.22, taints in 1.25 and 1.35, claims in use in 1.27, volume affinity
// in 1.33. Until 1.24 what holds for the pod as a whole (its claims) stood in a clause, too.
var clauseTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"InsufficientResources", regexp.MustCompile(`^Insufficient |^Too many pods`)},
	{"VolumeTopologyConflict", regexp.MustCompile(`volume node affinity conflict|PersistentVolume's node affinity|available volume zone|satisfy plugin\(?s?\)? \[?Volume`)},
	{"NodeSelectorMismatch", regexp.MustCompile(`Pod's node affinity|didn't match node selector|scheduler-enforced node affinity|pod affinity terms conflict|requested (node ?name|hostname)|satisfy plugin\(?s?\)? \[?Node`)},
	{"NodesCordoned", regexp.MustCompile(`were unschedulable|node\.kubernetes\.io/unschedulable`)},
	{"UntoleratedTaint", regexp.MustCompile(`taint`)},
	{"PodAntiAffinityUnsatisfied", regexp.MustCompile(`anti-affinity rules`)},
	{"PodAffinityUnsatisfied", regexp.MustCompile(`pod affinity`)},
	{"TopologySpreadUnsatisfied", regexp.MustCompile(`topology spread constraints`)},
	{"HostPortConflict", regexp.MustCompile(`free ports for the requested pod ports`)},
	{"VolumeLimitReached", regexp.MustCompile(`exceed max volume count`)},
	{"RwopInUse", regexp.MustCompile(`ReadWriteOncePod`)},
	{"PvcNotFound", claimMissing},
	{"PvcDeleting", claimDeleting},
	{"PvcLost", regexp.MustCompile(`bound to non-existent pv`)},
	{"PvcUnbound", regexp.MustCompile(`persistent volumes to bind|unbound immediate PersistentVolumeClaims|enough free storage|create the persistentvolumeclaim`)},
	{"CsiDriverMissing", regexp.MustCompile(`CSI driver is not installed`)},
	{"DeviceClaimUnallocatable", regexp.MustCompile(`(?i)cannot allocate all claims|resource ?claim|device class|cannot fit resource`)},
	{"WaitingPreemption", regexp.MustCompile(`waiting for the preemption`)},
	{"NoNodes", regexp.MustCompile(`no nodes available to schedule pods`)},
}

// ParseUnschedulable takes a message apart. Words that it does not know stay as clauses of code UnschedulableOther.
func ParseUnschedulable(text string) Unschedulable {
	var r Unschedulable
	head := refusalHead.FindStringSubmatch(text)
	if head == nil {
		r.General = strings.TrimSpace(text)
		return r
	}
	r.Nodes, _ = strconv.Atoi(head[2])
	body := text[len(head[0]):]
	if i := strings.Index(body, "preemption: "); i >= 0 {
		if m := notHelpful.FindStringSubmatch(body[i:]); m != nil {
			r.Hopeless, _ = strconv.Atoi(m[1])
		}
		body = body[:i]
	}
	for _, tail := range []string{"no new claims to deallocate, ", "still not schedulable, ", "no new claims to deallocate", "still not schedulable"} {
		body = strings.TrimSuffix(body, tail)
	}
	body = strings.TrimRight(body, ". ")
	starts := clauseStart.FindAllStringSubmatchIndex(body, -1)
	if len(starts) == 0 {
		r.General = strings.TrimSuffix(body, ". not found") // what preemption found, in 1.34 and later
		return r
	}
	r.General = strings.TrimRight(body[:starts[0][0]], ". ")
	for i, at := range starts {
		end := len(body)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		n, _ := strconv.Atoi(body[at[2]:at[3]])
		if reason := strings.TrimSpace(body[at[3]:end]); !eitherAffinity.MatchString(reason) || len(starts) == 1 {
			r.Clauses = append(r.Clauses, Clause{n, reason, ClauseCode(reason)})
		}
	}
	return r
}

// ClauseCode is the cause that a reason means; UnschedulableOther when it is not known.
func ClauseCode(reason string) string {
	for _, t := range clauseTests {
		if t.text.MatchString(reason) {
			return t.code
		}
	}
	return "UnschedulableOther"
}

// apart are the reasons of nodes that are not meant for the pod. A node that refuses it for any other reason would do in
// principle.
var apart = map[string]bool{"NodeSelectorMismatch": true, "UntoleratedTaint": true, "NodesCordoned": true, "VolumeTopologyConflict": true}

// Main is the clause to name first. Nodes that would do in principle come before those that are not meant for the pod,
// however many those are; then the reason of most nodes. A taint comes last among equals, because control planes always
// have one: old texts tell theirs.
func (r Unschedulable) Main() Clause {
	var best Clause
	weight := func(c Clause) int {
		switch {
		case strings.Contains(c.Text, "node-role.kubernetes.io/master") || strings.Contains(c.Text, "node-role.kubernetes.io/control-plane"):
			return -1
		case !apart[c.Code]:
			return c.Nodes + r.Nodes
		}
		return c.Nodes
	}
	for i, c := range r.Clauses {
		if w, b := weight(c), weight(best); i == 0 || w > b || w == b && best.Code == "UntoleratedTaint" {
			best = c
		}
	}
	return best
}

// Fixed reports whether no pod that leaves could help, so that only a node or the manifest can change the answer. The
// scheduler says so of each node when it tries to preempt; without that the reasons tell.
func (r Unschedulable) Fixed() bool {
	for _, c := range r.Clauses {
		switch c.Code {
		case "NodeSelectorMismatch", "UntoleratedTaint", "PodAffinityUnsatisfied", "VolumeTopologyConflict":
		case "TopologySpreadUnsatisfied":
			if !strings.Contains(c.Text, "missing required label") {
				return false
			}
		case "NodesCordoned":
			if c == r.Main() {
				return false // somebody is at work on the nodes
			}
		default:
			return false
		}
	}
	return len(r.Clauses) > 0 && (r.Hopeless == 0 || r.Hopeless == r.Nodes)
}

// Cordoned reports whether a node that is cordoned might take the pod.
func (r Unschedulable) Cordoned() bool {
	return slices.ContainsFunc(r.Clauses, func(c Clause) bool { return c.Code == "NodesCordoned" })
}

// TooBig reports whether the request for resources is more than the node has in all, on every node that is short of
// them: NodeResourcesFit calls such a node unresolvable (pkg/scheduler/framework/plugins/noderesources/fit.go), so that
// preemption is "not helpful" there. It is when preemption helps on no node at all.
func (r Unschedulable) TooBig() bool {
	return r.Nodes > 0 && r.Hopeless == r.Nodes && len(r.Resources()) > 0
}

// Resources are the names of what is insufficient.
func (r Unschedulable) Resources() []string {
	var names []string
	for _, c := range r.Clauses {
		if name, ok := strings.CutPrefix(c.Text, "Insufficient "); ok {
			names = append(names, name)
		}
	}
	return names
}

// NamedTaint is a taint in the scheduler's message, which does not tell the effect.
type NamedTaint struct{ Key, Value string }

// NamedTaints are the taints that a message names, each once. Since 1.35 it names none.
func NamedTaints(text string) []NamedTaint {
	var all []NamedTaint
	for _, m := range namedTaint.FindAllStringSubmatch(text, -1) {
		if t := (NamedTaint{strings.TrimSpace(m[1]), strings.TrimSpace(m[2])}); !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	return all
}

// Apart reports whether a reason is one of nodes that are not meant for the pod.
func Apart(code string) bool { return apart[code] }
