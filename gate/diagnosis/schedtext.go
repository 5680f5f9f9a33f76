package diagnosis

import (
	"regexp"
	"strconv"
	"strings"
)

// refusal is the scheduler's message, taken apart:
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

// clause is one reason and the number of nodes that gave it. A node can give several.
type clause struct {
	nodes int
	text  string
	code  string
}

var (
	refusalHead = regexp.MustCompile(`^(\d+)/(\d+) nodes? (?:are|is) available:? ?`)
	clauseStart = regexp.MustCompile(`(?:^|, |\. )(\d+) [A-Za-z]`)
	notHelpful  = regexp.MustCompile(`(\d+) Preemption is not helpful`)
)

// clauseTests give reasons their codes. The reasons are the constants ErrReason… of pkg/scheduler/framework/plugins;
// some changed their words: taints in 1.25 and 1.35, volume affinity in 1.33.
var clauseTests = []struct {
	code string
	text *regexp.Regexp
}{
	{"InsufficientResources", regexp.MustCompile(`^Insufficient |^Too many pods`)},
	{"NodeSelectorMismatch", regexp.MustCompile(`node affinity/selector|didn't match node selector|scheduler-enforced node affinity`)},
	{"NodesCordoned", regexp.MustCompile(`were unschedulable|node\.kubernetes\.io/unschedulable`)},
	{"UntoleratedTaint", regexp.MustCompile(`taint`)},
	{"PodAntiAffinityUnsatisfied", regexp.MustCompile(`anti-affinity rules`)},
	{"PodAffinityUnsatisfied", regexp.MustCompile(`pod affinity(/anti-affinity)?( rules)?`)},
	{"TopologySpreadUnsatisfied", regexp.MustCompile(`topology spread constraints`)},
	{"HostPortConflict", regexp.MustCompile(`free ports for the requested pod ports`)},
	{"VolumeTopologyConflict", regexp.MustCompile(`volume node affinity conflict|PersistentVolume's node affinity|available volume zone`)},
	{"VolumeLimitReached", regexp.MustCompile(`exceed max volume count`)},
	{"RwopInUse", regexp.MustCompile(`ReadWriteOncePod`)},
	{"PvcUnbound", regexp.MustCompile(`persistent volumes to bind|unbound immediate PersistentVolumeClaims`)},
}

// parseRefusal takes a message apart. Words that it does not know stay as clauses without code.
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
	for _, tail := range []string{"no new claims to deallocate, ", "still not schedulable, "} {
		body = strings.TrimSuffix(body, tail)
	}
	body = strings.TrimRight(body, ". ")
	starts := clauseStart.FindAllStringSubmatchIndex(body, -1)
	if len(starts) == 0 {
		r.general = body
		return r
	}
	r.general = strings.TrimRight(body[:starts[0][0]], ". ")
	for i, at := range starts {
		end := len(body)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		n, _ := strconv.Atoi(body[at[2]:at[3]])
		reason := strings.TrimSpace(body[at[3]:end])
		r.clauses = append(r.clauses, clause{n, reason, clauseCode(reason)})
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

// main is the clause that keeps most nodes away. A taint is named last among equals: control planes always have one.
func (r refusal) main() clause {
	var best clause
	for _, c := range r.clauses {
		if c.nodes > best.nodes || c.nodes == best.nodes && best.code == "UntoleratedTaint" {
			best = c
		}
	}
	return best
}

// fixed reports whether no pod that leaves could help, so that only a node or the manifest can change the answer.
func (r refusal) fixed() bool {
	for _, c := range r.clauses {
		switch c.code {
		case "NodeSelectorMismatch", "UntoleratedTaint", "PodAffinityUnsatisfied", "VolumeTopologyConflict":
		default:
			return false
		}
	}
	return len(r.clauses) > 0
}

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
