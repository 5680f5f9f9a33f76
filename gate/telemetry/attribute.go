package telemetry

import (
	"strings"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Attribute is a fact about a span. Its value is a string, an int, a float64 or a []string.
type Attribute struct {
	Key   string
	Value any
}

// The names of OpenTelemetry's conventions for CI/CD, version control and Kubernetes, as of version 1.39 of them. A run is
// a task of a pipeline.
const (
	pipelineURL = "cicd.pipeline.run.url.full"
	taskName    = "cicd.pipeline.task.name"
	taskType    = "cicd.pipeline.task.type"
	taskRun     = "cicd.pipeline.task.run.id"
	taskResult  = "cicd.pipeline.task.run.result"
	revision    = "vcs.ref.head.revision"
	userName    = "user.name"
	namespace   = "k8s.namespace.name"
	errorType   = "error.type"
)

// ofRun are the attributes of a whole run; what is not known is left out.
func ofRun(r gate.Report) []Attribute {
	all := []Attribute{{taskName, "rolloutgate"}, {taskRun, r.Run.ID}, {taskResult, result(r)}}
	if r.Run.Command == "run" || r.Run.Command == "resume" {
		all = append(all, Attribute{taskType, "deploy"})
	}
	add := func(key, value string) {
		if value != "" {
			all = append(all, Attribute{key, text(value)})
		}
	}
	add(pipelineURL, r.Run.Pipeline.URL)
	add("rolloutgate.ci.system", r.Run.Pipeline.System)
	add(revision, r.Run.Pipeline.Commit)
	add(userName, r.Run.Pipeline.Actor)
	add(namespace, r.Run.Namespace)
	add("rolloutgate.context", r.Run.Context)
	all = append(all, ofWorkloads(r)...)
	all = append(all, Attribute{"rolloutgate.exit.code", r.Exit.Code}, Attribute{"rolloutgate.exit.name", r.Exit.Name})
	add("rolloutgate.exit.state", r.Exit.State)
	if r.Exit.Code != 0 {
		add(errorType, kindOfError(r))
		add("rolloutgate.cause", cause(r))
	}
	if r.Undo != nil {
		all = append(all, Attribute{"rolloutgate.undo.result", string(r.Undo.Result)}, Attribute{"rolloutgate.undo.duration", r.Undo.Duration})
	}
	return all
}

// ofWorkloads names the workloads; one that is the only one of its kind also under the name of the conventions, which has
// room for no more.
func ofWorkloads(r gate.Report) []Attribute {
	var names []string
	byKind := map[string][]manifest.Ref{}
	for _, w := range r.Workloads {
		names = append(names, text(w.Ref.String()))
		byKind[w.Ref.Kind] = append(byKind[w.Ref.Kind], w.Ref)
	}
	if len(names) == 0 {
		return nil
	}
	all := []Attribute{{"rolloutgate.workloads", names}}
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"} {
		if refs := byKind[kind]; len(refs) == 1 {
			all = append(all, Attribute{"k8s." + strings.ToLower(kind) + ".name", refs[0].Name})
		}
	}
	return all
}

// ofStep are the attributes of a step; what it is not about is left out.
func ofStep(s gate.Step) []Attribute {
	var all []Attribute
	for _, n := range []struct {
		key   string
		value int
	}{{"rolloutgate.objects", s.Objects}, {"rolloutgate.workloads", s.Workloads}, {"rolloutgate.criteria", s.Criteria}} {
		if n.value > 0 {
			all = append(all, Attribute{n.key + ".count", n.value})
		}
	}
	if s.What != "" {
		all = append(all, Attribute{"rolloutgate.test", text(s.What)})
	}
	if s.Limit > 0 {
		all = append(all, Attribute{"rolloutgate.limit", s.Limit.Seconds()})
	}
	return all
}

// result is how a run ended, in the words of the conventions.
func result(r gate.Report) string {
	switch r.Exit.Name {
	case gate.Passed.Name(), gate.Parked.Name():
		return "success"
	case gate.TimedOut.Name():
		return "timeout"
	case gate.Interrupted.Name(), gate.Superseded.Name(), gate.CalledOff.Name():
		return "cancellation"
	case gate.Internal.Name(), gate.Invalid.Name(), gate.Retry.Name(), gate.Denied.Name():
		return "error"
	}
	return "failure"
}

// kindOfError is the code of the headline, or how the run ended.
func kindOfError(r gate.Report) string {
	if len(r.Findings) > 0 {
		return r.Findings[0].Code
	}
	return r.Exit.Name
}
