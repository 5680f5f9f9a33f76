package main

import (
	"cmp"
	"strings"

	"github.com/spf13/pflag"

	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// labelling is the flag about what a changed workload says of its change.
func (o *options) labelling(flags *pflag.FlagSet) {
	flags.StringVar(&o.changeCause, "change-cause", "", "what 'kubectl rollout history' is to say of the change, as the annotation kubernetes.io/change-cause of the workloads that change: a text, or auto for commit, actor and pipeline")
}

// telling are the flags about who is told of a release, beyond the console and the reports.
func (o *options) telling(flags *pflag.FlagSet) {
	o.pushing(flags)
	flags.BoolVar(&o.events, "events", false, "say on the workloads, as Kubernetes Events, that the run has begun and how it has ended")
}

// pushing is the flag about who keeps the metrics of a run.
func (o *options) pushing(flags *pflag.FlagSet) {
	flags.StringVar(&o.pushMetrics, "push-metrics", "", "address of a Prometheus Pushgateway that gets the metrics of the run")
}

// causeAuto is the value of --change-cause that stands for what the CI system tells.
const causeAuto = "auto"

// maxCause is how long the cause of a change may be, in characters.
const maxCause = 300

// causeOf is the text of --change-cause, as one line; empty: none.
func causeOf(flag string, p record.Pipeline) (string, error) {
	text := flag
	if flag == causeAuto {
		text = autoCause(p)
	}
	text = strings.TrimSpace(report.Sanitize(strings.Join(strings.Fields(text), " "), 1, maxCause))
	if flag != "" && text == "" {
		return "", &usageError{"reading --change-cause: there is nothing to read in it", "give it a text, or auto"}
	}
	return text, nil
}

// autoCause says which commit it is, who has brought it, and where: as much of it as the CI system tells.
func autoCause(p record.Pipeline) string {
	text := "rolloutgate"
	if p.Commit != "" {
		text += " " + p.Commit
	}
	if p.Actor != "" {
		text += " by " + p.Actor
	}
	if where := cmp.Or(p.URL, p.System); where != "" && where != ciNone {
		text += ", " + where
	}
	return text
}
