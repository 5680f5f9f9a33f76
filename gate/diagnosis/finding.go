package diagnosis

import (
	"time"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Layer is the part of the system that a finding blames.
type Layer string

// The layers, from the outside in.
const (
	LayerCluster     Layer = "cluster"
	LayerWorkload    Layer = "workload"
	LayerPod         Layer = "pod"
	LayerApplication Layer = "application"
	LayerService     Layer = "service"
)

// Confidence says how sure a finding is.
type Confidence string

// Proven: the API server's own words or arithmetic. Likely: signals that rarely mean anything else. Suspected: fits,
// but other causes would look the same.
const (
	Proven    Confidence = "proven"
	Likely    Confidence = "likely"
	Suspected Confidence = "suspected"
)

// Terminal says what a finding means for the verdict.
type Terminal string

const (
	// TerminalNow cannot heal: the gate fails as soon as the finding is there.
	TerminalNow Terminal = "now"
	// TerminalAfter fails the gate when it was seen Attempts times and for the time After.
	TerminalAfter Terminal = "after"
	// TerminalDeadlock is proven by arithmetic; it fails the gate after the time After.
	TerminalDeadlock Terminal = "deadlock"
	// TerminalTimeout may heal: it becomes the cause only when the gate's time is up.
	TerminalTimeout Terminal = "timeout"
	// TerminalContext never decides; it helps a reader.
	TerminalContext Terminal = "context"
)

// Scope says who is to blame, and with that on how many pods a finding must show before it decides.
type Scope string

const (
	// ScopeSpec is the manifest: one pod is proof.
	ScopeSpec Scope = "spec"
	// ScopeApp is the program: no Ready new pod, or at least half of the new pods.
	ScopeApp Scope = "app"
	// ScopeNode is a node: two nodes, or all new pods.
	ScopeNode Scope = "node"
	// ScopeEnv is a service that the workload shares with others: the registry, the quota, the API server.
	ScopeEnv Scope = "env"
)

// Finding is one cause, or one circumstance, in the words of the report.
type Finding struct {
	// Code is the stable name of the cause: ImageNotFound. Codes are only ever added.
	Code string `json:"code"`
	// Detail narrows the code down where that helps a machine: the missing key, the exit code, the resource.
	Detail     string     `json:"detail,omitempty"`
	Layer      Layer      `json:"layer"`
	Scope      Scope      `json:"scope,omitempty"`
	Stage      string     `json:"stage,omitempty"` // apply, create, schedule, volume, image, start, init, run, probe, traffic, controller
	Confidence Confidence `json:"confidence"`
	Terminal   Terminal   `json:"terminal"`

	// Object is what the finding is about: a pod, or the workload when no pod exists.
	Object       Subject      `json:"object"`
	Workload     manifest.Ref `json:"workload"` // the gated object; equal to Object when no pod is to blame
	Container    string       `json:"container,omitempty"`
	PodsAffected int          `json:"podsAffected"`
	PodsTotal    int          `json:"podsTotal"`
	Nodes        []string     `json:"nodes,omitempty"`
	FirstSeen    time.Time    `json:"firstSeen"`
	Count        int          `json:"count"` // attempts or occurrences

	Evidence []Proof `json:"evidence"`
	// Cause is one sentence that a reader who has never seen the workload understands.
	Cause string `json:"cause"`
	// Fix lists what to do, the most likely remedy first.
	Fix []string `json:"fix,omitempty"`

	// FieldPath is the field to look at: spec.template.spec.containers[name=app].image. File and Line are its place in
	// the manifest.
	FieldPath string `json:"fieldPath,omitempty"`
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`

	// Rule is the rule that spoke and Knob how to tune it, for the one who disagrees with an early verdict.
	Rule string `json:"rule,omitempty"`
	Knob string `json:"knob,omitempty"`
	// Changes are the fields at or around FieldPath that this rollout changed.
	Changes []Change `json:"changes,omitempty"`
	// Suppresses lists the codes of symptoms that this cause explains.
	Suppresses []string `json:"suppresses,omitempty"`

	// Attempts and After are the patience of TerminalAfter and TerminalDeadlock.
	Attempts int           `json:"-"`
	After    time.Duration `json:"-"`

	// PodsReady counts the new pods that are Ready now, for the breadth of a verdict.
	PodsReady int `json:"-"`
	// Signature tells two occurrences apart: exit code and last words. Empty when occurrences cannot be compared.
	Signature string `json:"-"`

	// entry is the cause in the catalogue; nil for a finding that this package did not make.
	entry *Cause
	// pods are the names behind PodsAffected.
	pods []string
	// initial is set when Container is an init container, whose trouble hides that of the containers after it.
	initial bool
	// changed is set when this rollout changed the very field to blame.
	changed bool
	// served is set when the container was in service before the trouble, injected when a webhook added it.
	served, injected bool
}

// Refusal says who has to act when the finding is why a write was refused.
func (f Finding) Refusal() Refusal {
	if f.entry == nil {
		return RefusedByCluster
	}
	return f.entry.Refusal
}

// Subject is an object as it was when the finding was made: the name may be taken by another one later.
type Subject struct {
	manifest.Ref
	UID string `json:"uid,omitempty"`
	// Revision is the pod-template-hash or controller-revision-hash of a pod.
	Revision string `json:"revision,omitempty"`
}

// Proof is one piece of evidence, quoted.
type Proof struct {
	Type string    `json:"type"` // event, status, condition, log, object, arithmetic, diff
	Text string    `json:"text"`
	Time time.Time `json:"time,omitzero"`
	Ref  string    `json:"ref,omitempty"` // where it was read: pod/web-1 container app
	// Headline is the number of the line of a log, from 1, that says best what went wrong; 0 for other evidence.
	Headline int `json:"headline,omitempty"`
}
