package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// Metric is one series of a run and its value.
type Metric struct {
	Name, Help, Type string
	Labels           []Label // in their order
	Value            float64
}

// Label is a label of a series. The value is as the cluster has it: whoever writes it down escapes it.
type Label struct{ Name, Value string }

// The labels of every series: the namespace, and a workload as KIND/NAME. A run that did not come to a workload has no label
// workload. The series of verdicts have one for it.
const (
	LabelNamespace = "namespace"
	LabelWorkload  = "workload"
	LabelVerdict   = "verdict"
)

// Released tells whether a run is one of those that have metrics: they bring a release, judge one, or take one back.
func Released(r gate.Report) bool {
	return slices.Contains([]string{"run", "resume", "watch", "undo"}, r.Run.Command)
}

// Metrics are the series of a run, all those of one name behind each other. None has the id of the run among its labels, so
// that the next run goes on with the same series.
//
// The timestamps are all those of the end of the run, and each stands for one kind of end: a server that keeps the last of
// each can count, by changes(), how many releases there were, how many failed, and how many were taken back.
func Metrics(r gate.Report) []Metric {
	if !Released(r) {
		return nil
	}
	if len(r.Clusters) > 0 {
		return clusterMetrics(r)
	}
	end := unix(r.Run.Finished)
	all := []family{
		{name: "rolloutgate_last_run_timestamp_seconds", help: "When the last run ended, whatever came of it.", value: end, there: true},
		{name: "rolloutgate_last_change_timestamp_seconds", help: "When the last run ended that brought a release to the cluster.", value: end, there: changed(r)},
		{name: "rolloutgate_last_success_timestamp_seconds", help: "When the last run ended that passed.", value: end, there: r.Exit.Name == gate.Passed.Name() && r.Run.Command != "undo"},
		{name: "rolloutgate_last_failure_timestamp_seconds", help: "When the last run ended that found its release bad, or took an earlier one back.", value: end, there: failedChange(r)},
		{name: "rolloutgate_last_undo_timestamp_seconds", help: "When the last run ended that put something back.", value: end, there: undid(r)},
		{name: "rolloutgate_duration_seconds", help: "How long the last run took.", value: r.Run.Finished.Sub(r.Run.Started).Seconds(), there: true},
		{name: "rolloutgate_undo_seconds", help: "How long the last undo took, from its first write to its proof.", value: undoSeconds(r), there: undid(r)},
		{name: "rolloutgate_restore_seconds", help: "How long the last bad release was there, from the first write to the proof that it is gone.", value: restoreSeconds(r), there: restoreSeconds(r) > 0},
		{name: "rolloutgate_exit_code", help: "Exit code of the last run.", value: float64(r.Exit.Code), there: true},
	}
	for _, verdict := range verdicts() {
		all = append(all, family{
			name: "rolloutgate_verdict", help: "How the last run ended: 1 for its verdict, 0 for all others.", labels: []Label{{LabelVerdict, verdict}},
			value: map[bool]float64{true: 1}[verdict == r.Exit.Name], there: true,
		})
	}
	var metrics []Metric
	of := subjects(r)
	for _, f := range all {
		if !f.there {
			continue
		}
		for _, labels := range of {
			metrics = append(metrics, Metric{Name: f.name, Help: f.help, Type: "gauge", Labels: slices.Concat(labels, f.labels), Value: f.value})
		}
	}
	slices.SortStableFunc(metrics, func(a, b Metric) int { return strings.Compare(a.Name, b.Name) })
	return metrics
}

// verdicts are the names of all outcomes. Two that a signal makes have one name.
func verdicts() (names []string) {
	for _, o := range gate.Outcomes() {
		names = append(names, o.Name())
	}
	return slices.Compact(names)
}

// family is a value that each workload of a run has.
type family struct {
	name, help string
	labels     []Label // beyond those of the workload
	value      float64
	there      bool
}

// subjects are the labels of each workload of the run. Those that end by themselves, as Jobs, are left out: they have a name
// for each release, and a series for each would never be heard of again.
func subjects(r gate.Report) [][]Label {
	var refs []manifest.Ref
	add := func(ref manifest.Ref) {
		if ref.Namespace == "" {
			ref.Namespace = r.Run.Namespace
		}
		if kind, known := rollout.KindOf(ref.GroupKind()); known && kind.Replaces && !slices.Contains(refs, ref) {
			refs = append(refs, ref)
		}
	}
	for _, s := range r.Workloads {
		if s.Watched {
			add(s.Ref)
		}
	}
	for _, c := range r.Changes {
		add(c.Object)
	}
	if r.Run.Command == "undo" && r.Undo != nil {
		for _, o := range r.Undo.Objects {
			add(o.Object)
		}
	}
	var all [][]Label
	for _, ref := range refs {
		all = append(all, []Label{{LabelNamespace, ref.Namespace}, {LabelWorkload, ref.String()}})
	}
	if len(all) == 0 {
		all = [][]Label{{{LabelNamespace, r.Run.Namespace}}}
	}
	return all
}

// changed tells whether there was a release: that this run has written, or that somebody else had. One that is parked counts
// when it goes on.
func changed(r gate.Report) bool {
	switch {
	case r.Run.Command == "undo", r.Marks.Applied.IsZero(), r.Exit.Name == gate.Parked.Name():
		return false
	case r.Run.Command == "watch":
		return true
	}
	return slices.ContainsFunc(r.Changes, func(c gate.Change) bool { return c.Action != string(patch.Unchanged) })
}

// failedChange tells whether a release was bad. That somebody said no to it, or cancelled it, does not say so; that somebody
// takes it back later does, if it had passed: one that had not is counted already, or is none.
func failedChange(r gate.Report) bool {
	if r.Run.Command == "undo" {
		return undid(r) && r.Undo.State == record.Passed
	}
	bad := []gate.Outcome{gate.RolloutFailed, gate.TimedOut, gate.CriteriaFailed, gate.UndoBroken, gate.NotUndone}
	return changed(r) && slices.ContainsFunc(bad, func(o gate.Outcome) bool { return o.Code() == r.Exit.Code })
}

func undid(r gate.Report) bool {
	return r.Undo != nil && r.Undo.Result != gate.UndoNothing && r.Undo.Result != gate.UndoSkipped
}

func undoSeconds(r gate.Report) float64 {
	if r.Undo == nil {
		return 0
	}
	return r.Undo.Duration
}

// restoreSeconds is zero where it is not known.
func restoreSeconds(r gate.Report) float64 {
	if !failedChange(r) || r.Undo == nil || r.Undo.Result != gate.UndoVerified || r.Marks.Applied.IsZero() || r.Marks.Undone.IsZero() {
		return 0
	}
	return r.Marks.Undone.Sub(r.Marks.Applied).Seconds() + r.Undo.Duration
}

func unix(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// OpenMetrics writes the series of a run as text that Prometheus, its Pushgateway, the textfile collector of node_exporter
// and readers of OpenMetrics understand.
func OpenMetrics(w io.Writer, r gate.Report) error {
	var b bytes.Buffer
	last := ""
	for _, m := range Metrics(r) {
		if m.Name != last {
			fmt.Fprintf(&b, "# HELP %s %s\n# TYPE %s %s\n", m.Name, m.Help, m.Name, m.Type)
			last = m.Name
		}
		var labels []string
		for _, l := range m.Labels {
			labels = append(labels, fmt.Sprintf(`%s="%s"`, l.Name, escapeLabel(l.Value)))
		}
		fmt.Fprintf(&b, "%s{%s} %s\n", m.Name, strings.Join(labels, ","), strconv.FormatFloat(m.Value, 'f', -1, 64))
	}
	b.WriteString("# EOF\n")
	if _, err := b.WriteTo(w); err != nil {
		return fmt.Errorf("writing the report as OpenMetrics: %w", err)
	}
	return nil
}

func escapeLabel(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(oneLine(s))
}
