package diagnosis

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// refusal is the scheduler's message, taken apart (pkg/scheduler/framework/types.go, FitError.Error):
//
//	0/5 nodes are available: 1 node(s) had untolerated taint(s), 4 Insufficient cpu. preemption: 0/5 nodes are
//	available: 1 Preemption is not helpful for scheduling, 4 No preemption victims found for incoming pod.
type refusal struct {
	nodes   int
	general string // what a plugin said before it looked at nodes: a claim that does not exist
	clauses []clause
	// hopeless counts nodes that would not take the pod even if all others left ("Preemption is not helpful").
	hopeless int
}

// clause is one reason and the number of nodes that gave it. A node gives the reasons of one plugin only, the first that
// refuses; of all plugins just the one for resources gives several at once.
type clause struct {
	nodes int
	text  string
	code  string
}

var (
	refusalHead = regexp.MustCompile(`^(\d+)/(\d+) nodes? (?:are|is) available:? ?`)
	clauseStart = regexp.MustCompile(`(?:^|, |\. )(\d+) [A-Za-z]`)
	notHelpful  = regexp.MustCompile(`(\d+) Preemption is not helpful`)
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

// parseRefusal takes a message apart. Words that it does not know stay as clauses of code UnschedulableOther.
func parseRefusal(text string) refusal {
	var r refusal
	head := refusalHead.FindStringSubmatch(text)
	if head == nil {
		r.general = strings.TrimSpace(text)
		return r
	}
	r.nodes, _ = strconv.Atoi(head[2])
	body := text[len(head[0]):]
	if i := strings.Index(body, "preemption: "); i >= 0 {
		if m := notHelpful.FindStringSubmatch(body[i:]); m != nil {
			r.hopeless, _ = strconv.Atoi(m[1])
		}
		body = body[:i]
	}
	for _, tail := range []string{"no new claims to deallocate, ", "still not schedulable, ", "no new claims to deallocate", "still not schedulable"} {
		body = strings.TrimSuffix(body, tail)
	}
	body = strings.TrimRight(body, ". ")
	starts := clauseStart.FindAllStringSubmatchIndex(body, -1)
	if len(starts) == 0 {
		r.general = strings.TrimSuffix(body, ". not found") // what preemption found, in 1.34 and later
		return r
	}
	r.general = strings.TrimRight(body[:starts[0][0]], ". ")
	for i, at := range starts {
		end := len(body)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		n, _ := strconv.Atoi(body[at[2]:at[3]])
		if reason := strings.TrimSpace(body[at[3]:end]); !eitherAffinity.MatchString(reason) || len(starts) == 1 {
			r.clauses = append(r.clauses, clause{n, reason, clauseCode(reason)})
		}
	}
	return r
}

func clauseCode(reason string) string {
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

// main is the clause to name first. Nodes that would do in principle come before those that are not meant for the pod,
// however many those are; then the reason of most nodes. A taint comes last among equals, because control planes always
// have one: old texts tell theirs.
func (r refusal) main() clause {
	var best clause
	weight := func(c clause) int {
		switch {
		case strings.Contains(c.text, "node-role.kubernetes.io/master") || strings.Contains(c.text, "node-role.kubernetes.io/control-plane"):
			return -1
		case !apart[c.code]:
			return c.nodes + r.nodes
		}
		return c.nodes
	}
	for i, c := range r.clauses {
		if w, b := weight(c), weight(best); i == 0 || w > b || w == b && best.code == "UntoleratedTaint" {
			best = c
		}
	}
	return best
}

// fixed reports whether no pod that leaves could help, so that only a node or the manifest can change the answer. The
// scheduler says so of each node when it tries to preempt; without that the reasons tell.
func (r refusal) fixed() bool {
	for _, c := range r.clauses {
		switch c.code {
		case "NodeSelectorMismatch", "UntoleratedTaint", "PodAffinityUnsatisfied", "VolumeTopologyConflict":
		case "TopologySpreadUnsatisfied":
			if !strings.Contains(c.text, "missing required label") {
				return false
			}
		case "NodesCordoned":
			if c == r.main() {
				return false // somebody is at work on the nodes
			}
		default:
			return false
		}
	}
	return len(r.clauses) > 0 && (r.hopeless == 0 || r.hopeless == r.nodes)
}

// cordoned reports whether a node that is cordoned might take the pod.
func (r refusal) cordoned() bool {
	return slices.ContainsFunc(r.clauses, func(c clause) bool { return c.code == "NodesCordoned" })
}

// tooBig reports whether the request for resources is more than the node has in all, on every node that is short of
// them: NodeResourcesFit calls such a node unresolvable (pkg/scheduler/framework/plugins/noderesources/fit.go), so that
// preemption is "not helpful" there. It is when preemption helps on no node at all.
func (r refusal) tooBig() bool { return r.nodes > 0 && r.hopeless == r.nodes && len(r.resources()) > 0 }

// resources are the names of what is insufficient.
func (r refusal) resources() []string {
	var names []string
	for _, c := range r.clauses {
		if name, ok := strings.CutPrefix(c.text, "Insufficient "); ok {
			names = append(names, name)
		}
	}
	return names
}
