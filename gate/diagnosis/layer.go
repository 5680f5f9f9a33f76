package diagnosis

import (
	"slices"
	"strings"
)

// Layered is what was found in one layer of the system, so that a reader sees where the fault is not.
type Layered struct {
	Layer Layer `json:"layer"`
	// State is "fault" when a finding blames the layer, "healthy" when everything that was looked at is well, and
	// "unknown" otherwise: nothing could be looked at, or something is not well and nothing blames this layer for it.
	State string `json:"state"`
	// Codes are those of the findings that blame the layer.
	Codes []string `json:"codes,omitempty"`
	// Healthy lists what was looked at and is well, with numbers: "3 of 3 new pods scheduled".
	Healthy []string `json:"healthy,omitempty"`
	// Unknown lists what could not be called healthy. Each begins with why: "affected: " when it is not well, "not
	// reached: " when the rollout never came so far, "not read: " when nobody looked or may look, "none: " when there is
	// no such thing.
	Unknown []string `json:"unknown,omitempty"`
}

// The states of a layer.
const (
	StateFault   = "fault"
	StateHealthy = "healthy"
	StateUnknown = "unknown"
)

// checker reads facts for what is well.
type checker struct{ *facts }

// checkResult is what one check found. One of its texts is set, or none when the check does not concern the workload.
type checkResult struct{ well, affected, unreached, unread, none string }

// checks are all checks, layer by layer. Adding one is adding one row. A check calls well only what was read.
var checks = []struct {
	layer Layer
	check func(checker) checkResult
}{
	{LayerCluster, checker.scheduled},
	{LayerCluster, checker.nodesReady},
	{LayerCluster, checker.sandboxes},
	{LayerCluster, checker.mounts},
	{LayerCluster, checker.claimsBound},
	{LayerCluster, checker.quotasOpen},
	{LayerCluster, checker.namespaceActive},
	{LayerWorkload, checker.observed},
	{LayerWorkload, checker.revisionMade},
	{LayerWorkload, checker.podsMade},
	{LayerWorkload, checker.notPaused},
	{LayerPod, checker.imagesPulled},
	{LayerPod, checker.configFound},
	{LayerPod, checker.initDone},
	{LayerPod, checker.started},
	{LayerApplication, checker.containersReady},
	{LayerApplication, checker.restarts},
	{LayerApplication, checker.exits},
	{LayerService, checker.traffic},
}

// Layers says of every layer of the system, from the outside in, whether the findings blame it and what of it is well.
// The evidence should be the one that the findings were made of.
func Layers(ev Evidence, findings []Finding) []Layered {
	v := checker{standard.newFacts(ev)}
	var all []Layered
	for _, layer := range []Layer{LayerCluster, LayerWorkload, LayerPod, LayerApplication, LayerService} {
		l := Layered{Layer: layer, State: StateUnknown}
		for _, f := range findings {
			if f.Layer == layer && f.Blames() && !slices.Contains(l.Codes, f.Code) {
				l.Codes = append(l.Codes, f.Code)
			}
		}
		affected := v.checkLayer(&l)
		switch {
		case len(l.Codes) > 0:
			l.State = StateFault
		case len(l.Healthy) > 0 && !affected:
			l.State = StateHealthy
		}
		all = append(all, l)
	}
	return all
}

// checkLayer asks the checks of a layer, and says whether one found something that is not well.
func (v checker) checkLayer(l *Layered) (affected bool) {
	if v.w.Live == nil {
		l.Unknown = []string{"not read: the object was not found"}
		return false
	}
	var doubts, rest []string
	add := func(list *[]string, why, text string) {
		if text = why + text; text != why && !slices.Contains(*list, text) {
			*list = append(*list, text)
		}
	}
	for _, c := range checks {
		if c.layer != l.Layer {
			continue
		}
		s := c.check(v)
		add(&l.Healthy, "", s.well)
		add(&doubts, "affected: ", s.affected)
		add(&rest, "not reached: ", s.unreached)
		add(&rest, "not read: ", s.unread)
		add(&rest, "none: ", s.none)
	}
	l.Unknown = append(doubts, rest...)
	if len(l.Healthy)+len(l.Unknown) == 0 {
		l.Unknown = []string{"not read: nothing of this layer"}
	}
	return len(doubts) > 0
}

// denied says that something was not readable; empty when nothing says so. A note is about one thing, or names several
// after its colon.
func (v checker) denied(what string) string {
	for _, note := range v.Unreadable {
		head, rest, _ := strings.Cut(note, ": ")
		switch {
		case head == what:
			return quote(note)
		case slices.Contains(strings.Split(rest, ", "), what):
			return what + ", this account may not"
		}
	}
	return ""
}
