package main

import (
	"fmt"
	"strconv"
	"strings"
)

const defaultSizes = "3:5,3:3:no-probe,1000:3,200x1:1,5000:1:alone"

// size is what one rollout changes, and how often it is measured.
type size struct {
	workloads int // Deployments in one manifest; 1 is the usual
	pods      int // of each
	rounds    int
	noProbe   bool   // the pods have no readiness probe
	alone     bool   // without kubectl beside it
	apart     bool   // the commands do not take turns: what one has rolled is gone before the next one's is made
	peers     bool   // beside helm and kapp, too
	bad       string // what is wrong with it; empty: nothing
	contexts  int    // in how many contexts at once; zero: in one
}

// parseSizes reads the value of --sizes.
func parseSizes(text string) ([]size, error) {
	var sizes []size
	for part := range strings.SplitSeq(text, ",") {
		s, ok := parseSize(part)
		if !ok {
			return nil, fmt.Errorf("reading --sizes: %q is not [WORKLOADSx]PODS:ROUNDS[:OPTION]…", part)
		}
		sizes = append(sizes, s)
	}
	return sizes, nil
}

func parseSize(text string) (size, bool) {
	fields := strings.Split(text, ":")
	if len(fields) < 2 {
		return size{}, false
	}
	s := size{workloads: 1}
	pods := fields[0]
	var failed [3]error
	if workloads, each, ok := strings.Cut(pods, "x"); ok {
		s.workloads, failed[0] = strconv.Atoi(workloads)
		pods = each
	}
	s.pods, failed[1] = strconv.Atoi(pods)
	s.rounds, failed[2] = strconv.Atoi(fields[1])
	for _, option := range fields[2:] {
		switch option {
		case "no-probe":
			s.noProbe = true
		case "alone":
			s.alone = true
		case "apart":
			s.apart = true
		case "peers":
			s.peers = true
		case oneBad, crash:
			s.bad = option
		default:
			n, isContexts := strings.CutPrefix(option, "contexts=")
			contexts, err := strconv.Atoi(n)
			if !isContexts || err != nil || contexts < 1 {
				return s, false
			}
			s.contexts = contexts
		}
	}
	return s, failed == [3]error{} && s.workloads > 0 && s.pods > 0 && s.rounds > 0
}

func (s size) String() string {
	text := fmt.Sprint(s.pods)
	if s.workloads > 1 {
		text = fmt.Sprintf("%d × %d", s.workloads, s.pods)
	}
	if s.noProbe {
		text += " without a probe"
	}
	switch {
	case s.bad == oneBad:
		text += ", one of them bad, and undone"
	case s.bad == crash:
		text += ", all crashing, and undone"
	case s.contexts > 0:
		text += fmt.Sprintf(" in %d clusters", s.contexts)
	}
	return text
}

// sameAs tells whether two sizes are made of the same Deployments.
func (s size) sameAs(other size) bool {
	return s.workloads == other.workloads && s.pods == other.pods && s.noProbe == other.noProbe && s.contexts == 0 && other.contexts == 0
}

// all is how many pods there are.
func (s size) all() int { return s.workloads * s.pods }

// slug is for names of namespaces.
func (s size) slug() string {
	text := fmt.Sprintf("%dx%d", s.workloads, s.pods)
	if s.noProbe {
		text += "-no-probe"
	}
	if s.bad != "" {
		text += "-" + s.bad
	}
	return text
}
