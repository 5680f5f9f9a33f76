package gate

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Delivery says in which stages the users get a release. The zero value is all of them at once.
type Delivery struct {
	// Parts are the stages before the last one, in their order. After them all pods become new.
	Parts []Part `json:"parts,omitempty"`
	// Workloads are those that the stages are for, as KIND/NAME; empty: all whose pods change. The others become new in the
	// first stage.
	Workloads []string `json:"workloads,omitempty"`
	// Drain takes the old pods out of the traffic of their Services before they end.
	Drain bool `json:"drain,omitempty"`
	// HelmTests runs Helm's tests at the end.
	HelmTests bool `json:"helmTests,omitempty"`
	// Upgrade says whether something of the release was there before the run, which decides about Helm's hooks; nil: the
	// run finds out.
	Upgrade *bool `json:"upgrade,omitempty"`
}

// Part is one stage as somebody asks for it. Exactly one of the first fields says what becomes new in it.
type Part struct {
	// Canary is how many new pods run beside the old ones: more than in the part before.
	Canary Share `json:"canary,omitzero"`
	// Preview is all new pods beside the old ones, with no user sent to them.
	Preview *Preview `json:"preview,omitempty"`
	// Switch sends the users to the new pods of the preview before it; the old ones stay.
	Switch bool `json:"switch,omitempty"`
	// Traffic is how much of the requests that come by an HTTPRoute goes to the new pods, in percent: more than in the
	// part before.
	Traffic float64 `json:"traffic,omitempty"`

	// Test has to succeed when everything has come to where it should be, before Hold begins; nil: there is none.
	Test *Test `json:"test,omitempty"`
	// Hold is how long it goes on after it has come to where it should be.
	Hold time.Duration `json:"hold,omitempty"`
	// Approval is asked for after that; nil: nobody has to say anything.
	Approval *Approval `json:"approval,omitempty"`
}

// preview is the part in which no user reaches the new pods; nil when there is none.
func (d Delivery) preview() *Part {
	for i := range d.Parts {
		if d.Parts[i].Preview != nil {
			return &d.Parts[i]
		}
	}
	return nil
}

// canaries tells whether a few pods become new first.
func (d Delivery) canaries() bool {
	return slices.ContainsFunc(d.Parts, func(p Part) bool { return p.Canary != Share{} })
}

// shares tells whether requests are shared between old and new pods.
func (d Delivery) shares() bool {
	return slices.ContainsFunc(d.Parts, func(p Part) bool { return p.Traffic > 0 })
}

// stages tells whether a write makes pods of a workload new that the stages are for.
func (d Delivery) stages(w patch.Write) bool { return changesPods(w) && d.isFor(w) }

func (d Delivery) isFor(w patch.Write) bool {
	return len(d.Workloads) == 0 || slices.Contains(d.Workloads, w.Ref.String())
}

// unknown is an error when the stages are for something that is not among the writes.
func (d Delivery) unknown(writes []patch.Write) error {
	for _, name := range d.Workloads {
		if slices.ContainsFunc(writes, func(w patch.Write) bool { return w.Ref.String() == name }) {
			continue
		}
		hint := "write it as KIND/NAME, such as deployment/web"
		near := math.MaxInt
		for _, w := range writes {
			k, known := rollout.KindOf(w.Ref.GroupKind())
			if far := wording.Distance(name, w.Ref.String()); known && k.Replaces && far < near {
				near, hint = far, "there is "+w.Ref.String()
			}
		}
		return invalidError{fmt.Errorf("the stages are for %s, which is not among the manifests\n  hint: %s", name, hint)}
	}
	return nil
}

// Preview is how the new pods can be reached before users are sent to them.
type Preview struct {
	// Service is one that is pointed at the new pods; empty: there is none.
	Service string `json:"service,omitempty"`
}

// Approval is a stage that goes on only when somebody says so.
type Approval struct {
	// Timeout is how long they are waited for; then everything goes back.
	Timeout time.Duration `json:"timeout,omitempty"`
	// By is a regular expression for the whole name of who may say it, as the API server knows them; empty: everybody who
	// may write the lease of the run.
	By string `json:"by,omitempty"`
	// Park ends the run instead, with what it has come to, until another one goes on with it.
	Park bool `json:"park,omitempty"`
}

// Share is how many pods of a workload become new: a number of pods, or a percentage of those that it wants.
type Share struct {
	Pods    int32
	Percent float64
}

// ParseShare reads a share such as 5% or 2.
func ParseShare(text string) (Share, error) {
	text = strings.TrimSpace(text)
	if number, isPercent := strings.CutSuffix(text, "%"); isPercent {
		percent, err := strconv.ParseFloat(number, 64)
		if err == nil && percent > 0 && percent <= 100 {
			return Share{Percent: percent}, nil
		}
	} else if pods, err := strconv.ParseInt(text, 10, 32); err == nil && pods > 0 {
		return Share{Pods: int32(pods)}, nil
	}
	return Share{}, fmt.Errorf("%q is no share of pods\n  hint: a percentage such as 5%%, or a number of pods such as 1", text)
}

// String is the share as it is written.
func (s Share) String() string {
	if s.Percent > 0 {
		return strconv.FormatFloat(s.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(int(s.Pods))
}

// MarshalJSON writes it as people do.
func (s Share) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }

// UnmarshalJSON reads it as people write it, a number of pods also as a number.
func (s *Share) UnmarshalJSON(data []byte) error {
	text := string(data)
	if err := json.Unmarshal(data, &text); err != nil {
		text = string(data)
	}
	share, err := ParseShare(text)
	if err != nil {
		return err
	}
	*s = share
	return nil
}

// of is how many pods a share is of those that a workload wants: rounded up, and at least one.
func (s Share) of(desired int32) int32 {
	if s.Percent > 0 {
		return max(1, int32(math.Ceil(s.Percent*float64(desired)/100)))
	}
	return s.Pods
}

// within is a timing whose settling and window end with a hold.
func within(t analysis.Timing, hold time.Duration) analysis.Timing {
	if t.Settle == analysis.Auto || t.Settle > hold/2 {
		t.Settle = min(hold/2, analysis.DefaultTiming().With(0, 0).Settle)
	}
	t.Window = hold - t.Settle
	return t
}
