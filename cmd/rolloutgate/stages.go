package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/rolloutgate/rolloutgate/gate"
)

// approveTime is how long a stage is to be approved within, where nothing else is said.
const approveTime = time.Hour

// stageKinds are what an entry of the stages can be, and stageFlags the keys of flags that say the same for all stages.
var (
	stageKinds = []string{"canary", "traffic", "approve", "park", "preview", "switch", "promote"}
	stageFlags = []string{"canary", "blueGreen", "hold", "approve", "approveTimeout", "approveBy", "park"}
)

// stageReader reads the stages of a config file, and collects what is wrong with them.
type stageReader struct {
	tableReader
	parts    []gate.Part
	promoted bool
}

// readStages reads the value of stages:. Root is the whole file, whose other keys may say the same.
func readStages(file string, root, value *yaml.Node) ([]gate.Part, error) {
	r := &stageReader{tableReader: tableReader{file: file, table: stagesKey}}
	for i, first := 0, true; i+1 < len(root.Content); i += 2 {
		key := root.Content[i]
		if key.Value == stagesKey && !first {
			r.fault(key, "they are there twice", "put them into one list")
		}
		first = first && key.Value != stagesKey
		if slices.Contains(stageFlags, key.Value) {
			r.fault(key, fmt.Sprintf("%s and stages are both there", key.Value), "keep one of the two: each stage says for itself what "+key.Value+" says for all of them")
		}
	}
	value = behindAlias(value)
	if value.Kind != yaml.SequenceNode || len(value.Content) == 0 {
		r.fault(value, "not a list of stages", "write one in a line, such as - canary: 5%")
	}
	if value.Kind == yaml.SequenceNode {
		for _, entry := range value.Content {
			r.entry(behindAlias(entry))
		}
	}
	return r.parts, errors.Join(r.errs...)
}

// entry reads one of the list: a word, or a mapping with one word that says what it is.
func (r *stageReader) entry(node *yaml.Node) {
	if node.Kind == yaml.ScalarNode && node.Value != "" {
		none := &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!null", Line: node.Line, Column: node.Column}
		node = &yaml.Node{Kind: yaml.MappingNode, Line: node.Line, Column: node.Column, Content: []*yaml.Node{node, none}}
	}
	if r.promoted {
		r.fault(node, "promote is not the last one", "nothing can come after all pods have become new: move it down, or leave it out")
		r.promoted = false // said once
	}
	var part gate.Part
	var kind, hold, test *yaml.Node
	fields := []tableField{
		{"hold", func(key, value *yaml.Node) { hold, part.Hold = key, r.duration("hold", value) }},
		{"test", func(key, value *yaml.Node) { test, part.Test = key, r.test(value) }},
	}
	for _, name := range stageKinds {
		fields = append(fields, tableField{name, func(key, value *yaml.Node) {
			if kind != nil {
				r.fault(key, fmt.Sprintf("%s and %s in one entry", kind.Value, name), "write each of them as an entry of its own, behind a dash")
				return
			}
			kind = key
			r.kind(&part, key, value)
		}})
	}
	said := len(r.errs)
	if !r.mapping("a stage", node, fields) {
		return
	}
	switch {
	case kind == nil && len(r.errs) > said:
		return // an unknown key is what it is
	case kind == nil:
		r.fault(node, "an entry that does not say what it is", "it needs one of "+strings.Join(stageKinds, ", "))
		return
	case kind.Value == "approve" || kind.Value == "park" || kind.Value == "promote":
		for _, key := range []*yaml.Node{hold, test} {
			if key != nil {
				r.fault(key, fmt.Sprintf("%s cannot be said of %s", key.Value, kind.Value), "write it to the canary, the share of traffic, the preview or the switch that it is about")
			}
		}
		return
	}
	r.parts = append(r.parts, part)
}

// kind reads what an entry is. Approve and park are about the stage before.
func (r *stageReader) kind(part *gate.Part, key, value *yaml.Node) {
	switch key.Value {
	case "canary":
		r.canary(part, key, value)
	case "traffic":
		r.traffic(part, key, value)
	case "preview":
		r.preview(part, key, value)
	case "switch":
		r.noValue(key, value)
		previewed := slices.ContainsFunc(r.parts, func(p gate.Part) bool { return p.Preview != nil })
		switch {
		case !previewed:
			r.fault(key, "switch without a preview before it", "there are no new pods yet that users could be sent to: write - preview before it")
		case slices.ContainsFunc(r.parts, func(p gate.Part) bool { return p.Switch }):
			r.fault(key, "switch is there twice", "leave one of them out")
		}
		part.Switch = true
	case "approve":
		r.approval(key, r.approve(value))
	case "park":
		r.noValue(key, value)
		r.approval(key, &gate.Approval{Park: true})
	case "promote":
		r.noValue(key, value)
		r.promoted = true
	}
}

func (r *stageReader) canary(part *gate.Part, key, value *yaml.Node) {
	share, err := gate.ParseShare(value.Value)
	if value.Kind != yaml.ScalarNode || isNull(value) || err != nil {
		r.fault(value, fmt.Sprintf("%q is no share of pods", value.Value), "write a percentage such as canary: 5%, or a number of pods such as canary: 1")
	}
	r.alone(key, "a canary")
	for _, p := range slices.Backward(r.parts) {
		before := p.Canary
		percent := before.Percent > 0 && share.Percent > 0
		if number := before.Pods > 0 && share.Pods > 0; !number && !percent {
			continue // how a number compares with a percentage, the cluster knows
		}
		if share.Pods < before.Pods || share.Percent < before.Percent || share == before {
			r.fault(value, fmt.Sprintf("a canary of %s is no more than the %s before it", share, before), "each stage has more new pods than the one before")
		}
		break
	}
	part.Canary = share
}

// alone refuses a way of delivery together with another one, and tells whether it did.
func (r *stageReader) alone(key *yaml.Node, what string) bool {
	for _, p := range r.parts {
		other := "a preview"
		switch {
		case p.Canary != gate.Share{}:
			other = "a canary"
		case p.Traffic > 0:
			other = "a share of traffic"
		}
		if other != what {
			r.fault(key, what+" together with "+other, "they are two ways of delivery, and a release goes out by one of them")
			return true
		}
	}
	return false
}

// traffic reads a share of requests. The thousandth of a percent is the least that weights are made for.
func (r *stageReader) traffic(part *gate.Part, key, value *yaml.Node) {
	number, isPercent := strings.CutSuffix(value.Value, "%")
	percent, err := strconv.ParseFloat(number, 64)
	switch {
	case value.Kind != yaml.ScalarNode || !isPercent || err != nil || !(percent >= 0.001 && percent < 100):
		r.fault(value, fmt.Sprintf("%q is no share of requests", value.Value), "write a percentage of more than 0 and less than 100, such as traffic: 5%")
		return
	case math.Round(percent*1000)/1000 != percent:
		r.fault(value, fmt.Sprintf("a share of %s is too exact", value.Value), "three digits behind the point are the most")
	}
	r.alone(key, "a share of traffic")
	if n := len(r.parts); n > 0 && r.parts[n-1].Traffic >= percent {
		r.fault(value, fmt.Sprintf("a share of %s is no more than the %g%% before it", value.Value, r.parts[n-1].Traffic), "each stage sends more requests to the new pods than the one before")
	}
	part.Traffic = percent
}

func (r *stageReader) preview(part *gate.Part, key, value *yaml.Node) {
	part.Preview = &gate.Preview{}
	if !r.alone(key, "a preview") && len(r.parts) > 0 {
		r.fault(key, "a preview that is not the first stage", "there can be one, and it comes first")
	}
	if isNull(value) {
		return
	}
	r.mapping("preview", value, []tableField{{"service", func(_, value *yaml.Node) {
		if value.Kind != yaml.ScalarNode || len(validation.IsDNS1123Label(value.Value)) > 0 {
			r.fault(value, fmt.Sprintf("%q is no name of a Service", value.Value), "name one of the namespace, such as service: web-preview")
		}
		part.Preview.Service = value.Value
	}}})
}

// approve reads who may approve, and within what time.
func (r *stageReader) approve(value *yaml.Node) *gate.Approval {
	a := &gate.Approval{Timeout: approveTime}
	if isNull(value) {
		return a
	}
	r.mapping("approve", value, []tableField{
		{"timeout", func(_, value *yaml.Node) { a.Timeout = r.duration("timeout", value) }},
		{"by", func(_, value *yaml.Node) {
			if _, err := regexp.Compile(value.Value); value.Kind != yaml.ScalarNode || isNull(value) || err != nil {
				r.fault(value, fmt.Sprintf("%q is no regular expression", value.Value), "write one for the whole name of who may approve, such as '.*@example.com'")
			}
			a.By = value.Value
		}},
	})
	return a
}

// approval is about the stage before.
func (r *stageReader) approval(key *yaml.Node, a *gate.Approval) {
	switch n := len(r.parts); {
	case n == 0:
		r.fault(key, key.Value+" without a stage before it", "there is nothing to approve yet: write it after a canary, a share of traffic, a preview or a switch")
	case r.parts[n-1].Approval != nil:
		r.fault(key, key.Value+" after a stage that waits for somebody already", "keep one of the two: the job that resumes a parked run is the one to be approved")
	default:
		r.parts[n-1].Approval = a
	}
}

func (r *stageReader) noValue(key, value *yaml.Node) {
	if !isNull(value) {
		r.fault(value, key.Value+" takes no value", "write it alone: - "+key.Value)
	}
}

// stagesIn counts stages with the last one, which nobody has to write.
func stagesIn(parts []gate.Part) int {
	if len(parts) == 0 {
		return 0
	}
	return len(parts) + 1
}
