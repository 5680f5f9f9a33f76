package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/analysis/prometheus"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/fleet"
	"github.com/rolloutgate/rolloutgate/gate/notice"
	"github.com/rolloutgate/rolloutgate/gate/report"
)

// options are the flags of all commands; each command registers the groups that it understands.
type options struct {
	kube *genericclioptions.ConfigFlags

	filenames      []string
	recursive      bool
	kustomize      string
	dryRun         string
	fieldManager   string
	forceConflicts bool

	timeout, undoTimeout             time.Duration
	undo, onCancel                   string
	deleteStuck, keepBadPod          bool
	requirePods, restart             bool
	exitOnFindings                   bool
	grace                            []string
	noFailFast                       string
	prometheusURL, prometheusService string
	checks                           []string
	settle, interval                 autoDuration
	waitForLock                      time.Duration
	takeOver                         bool
	history                          int
	keep, unfinished                 string
	window, recovery                 time.Duration
	canaries, workloads              []string
	hold                             time.Duration
	blueGreen, drain, approve, park  bool
	approveTimeout                   time.Duration
	approveBy                        string
	helmTests                        bool
	prune                            pruneOptions
	preflight, gitops                string
	forImages                        []string
	commandText, undoText, selector  string
	wrapped, snapshot                []string

	changeCause, cause string // the flag, and its text
	pushMetrics        string
	events             bool

	config, output, reportDir, ci, color string
	githubAudience                       string
	token                                func(context.Context) (string, error) // instead of the kubeconfig's credentials; nil: there is none
	noToken                              error                                 // why, when there should be one

	formats   []report.Format // that are known
	ciSystems []ciSystem

	spec       analysis.Spec       // from the config file
	server     prometheus.Settings // from there, too
	stages     []gate.Part         // from there, too
	notify     []notice.Config     // from there, too
	objectRows []objectRow         // from there, too
	staged     bool                // the command has stages

	sites     []site // the clusters, when there are several
	place     string // the name of the cluster, when it is one of several
	undoScope string

	command string // its name
}

func (p *program) newOptions() *options {
	return &options{kube: newKube(), formats: p.formats(), ciSystems: p.ciSystems()}
}

// connection are the flags that say which cluster, and how to answer. Every command has them.
func (o *options) connection(flags *pflag.FlagSet) {
	o.kube.AddFlags(flags)
	flags.StringVarP(&o.output, "output", "o", o.formats[0].Name, "what to print: "+list(formatNames(o.formats), "or")+"; progress goes to stderr unless it is "+o.formats[0].Name)
	flags.StringVar(&o.reportDir, "report-dir", "", "folder to write "+list(formatFiles(o.formats), "and")+" to, and the whole logs of bad containers")
	flags.StringVar(&o.ci, "ci", ciAuto, "CI system to write for: "+strings.Join(ciNames(o.ciSystems), ", "))
	flags.StringVar(&o.color, "color", "auto", "colours: auto, always or never")
	flags.StringVar(&o.githubAudience, "github-oidc-audience", "", "in GitHub Actions: instead of the kubeconfig's credentials, show the API server tokens of the job for this audience")
	flags.StringVar(&o.config, "config", "", "config file (default "+defaultConfig+" when present)")
}

// manifests are the flags that say what to apply.
func (o *options) manifests(flags *pflag.FlagSet) {
	flags.StringSliceVarP(&o.filenames, "filename", "f", nil, "file or folder to apply, or - for standard input; repeatable")
	flags.BoolVarP(&o.recursive, "recursive", "R", false, "read folders with everything below them")
	flags.StringVarP(&o.kustomize, "kustomize", "k", "", "kustomization folder to apply")
	o.applying(flags)
}

// respecting is the flag about objects that a GitOps tool keeps.
func (o *options) respecting(flags *pflag.FlagSet) {
	flags.StringVar(&o.gitops, "gitops", string(gate.GitOpsRefuse), "what it means that objects belong to Argo CD or Flux, which put them back: refuse (to write them), or warn, for those who have suspended it")
}

// applying are the flags that say how to apply.
func (o *options) applying(flags *pflag.FlagSet) {
	flags.StringVar(&o.fieldManager, "field-manager", cluster.DefaultFieldManager, "name of the field manager that applies")
	flags.BoolVar(&o.forceConflicts, "force-conflicts", false, "take fields that other field managers own")
	flags.BoolVar(&o.restart, "restart-on-config-change", false, "restart the workloads that read a ConfigMap or Secret which this run changes, unless something else restarts them")
}

// releasing are the flags of what writes a release, beyond what it is.
func (o *options) releasing(flags *pflag.FlagSet) {
	o.gating(flags)
	o.locking(flags)
	o.recording(flags)
	o.keeping(flags)
	o.undoing(flags)
	flags.StringVar(&o.undoScope, "undo-scope", string(fleet.Cluster), "of several clusters, what is put back when one is bad: cluster (that one), wave (all of its wave) or all (all that this run has changed)")
	flags.BoolVar(&o.keepBadPod, "keep-bad-pod", false, "leave one bad pod out of the undo, for a person to look at: its controller does not own it any more, and no Service finds it")
}

// gating are the flags that say how to judge.
func (o *options) gating(flags *pflag.FlagSet) {
	flags.DurationVar(&o.timeout, "timeout", gate.DefaultTimeout, "time for apply, rollout and criteria together")
	o.judging(flags)
	flags.StringVar(&o.preflight, "preflight", string(gate.PreflightEnforce), "what it means when criteria do not hold for the running version: enforce (refuse to deploy), warn or off")
	flags.StringSliceVar(&o.grace, "grace", nil, "patience for one cause, as CODE=DURATION; repeatable")
	flags.BoolVar(&o.requirePods, "require-pods", false, "a rollout that is complete with zero replicas is inconclusive: it proves nothing")
	flags.StringVar(&o.noFailFast, "no-fail-fast", "", "causes that must not end the gate before its timeout, as CODE,CODE; without a value: all")
	flags.Lookup("no-fail-fast").NoOptDefVal = "all"
}

// judging are the flags about success criteria.
func (o *options) judging(flags *pflag.FlagSet) {
	timing := analysis.DefaultTiming()
	o.settle, o.interval = autoDuration(timing.Settle), autoDuration(timing.Interval)
	flags.StringVar(&o.prometheusURL, "prometheus-url", "", "address of the Prometheus that answers the criteria")
	flags.StringVar(&o.prometheusService, "prometheus-service", "", "or its Service in the cluster, as NAMESPACE/NAME:PORT, reached through the API server")
	flags.StringArrayVar(&o.checks, "check", nil, "success criterion 'NAME: PROMQL <= LIMIT' (or <, >, >=, ==), the name may be left out; repeatable")
	flags.Var(&o.settle, "settle", "time between the end of the rollout and the window; auto: 30s, or what scrape interval and data lag take")
	flags.DurationVar(&o.window, "window", timing.Window, "time over which the criteria are measured")
	flags.Var(&o.interval, "interval", "time between two measurements of a criterion; auto: 15s, or the scrape interval")
}

// autoDuration is a flag that takes a duration or the word auto.
type autoDuration time.Duration

func (d *autoDuration) Set(text string) error {
	if text == "auto" {
		*d = autoDuration(analysis.Auto)
		return nil
	}
	parsed, err := time.ParseDuration(text)
	if err != nil || parsed < 0 {
		return fmt.Errorf("%q is not a duration such as 30s or 5m, and not auto", text)
	}
	*d = autoDuration(parsed)
	return nil
}

func (d *autoDuration) String() string {
	if time.Duration(*d) == analysis.Auto {
		return "auto"
	}
	return time.Duration(*d).String()
}

func (d *autoDuration) Type() string { return "duration" }

// undoing are the flags that say what happens to a bad rollout.
func (o *options) undoing(flags *pflag.FlagSet) {
	flags.StringVar(&o.undo, "undo", "on-failure", "whether to put a bad rollout back: on-failure or never")
	flags.DurationVar(&o.recovery, "recovery", gate.DefaultRecovery, "time for criteria that failed to hold again after the undo, before the report says that they do not")
	flags.StringVar(&o.onCancel, "on-cancel", "undo", "what to do with the rollout when the run is cancelled: undo or leave")
	o.takingBack(flags)
}

// takingBack are the flags that say how things are put back.
func (o *options) takingBack(flags *pflag.FlagSet) {
	flags.DurationVar(&o.undoTimeout, "undo-timeout", gate.DefaultUndoTimeout, "time for the undo, on top of --timeout")
	flags.BoolVar(&o.deleteStuck, "undo-delete-stuck-pods", true, "delete pods of the undone revision that block a StatefulSet")
}

// staging are the flags that say in which stages a release goes out.
func (o *options) staging(flags *pflag.FlagSet) {
	o.staged = true
	flags.StringSliceVar(&o.canaries, "canary", nil, "share of the pods that become new first, such as 5% or 1; several with commas are one stage after the other")
	flags.BoolVar(&o.blueGreen, "blue-green", false, "make all new pods beside the old ones, and give them the traffic of the Services at once when they are ready")
	flags.StringSliceVar(&o.workloads, "workloads", nil, "what the stages are for, such as deployment/web; the pods of all others become new in the first stage (default: all whose pods change)")
	flags.BoolVar(&o.drain, "drain", false, "take the old pods out of the traffic of their Services before they end; twice as many pods need room for that")
	flags.DurationVar(&o.hold, "hold", 0, "how long each canary goes on before the next stage begins, or the new pods of --blue-green have the traffic before the old ones end")
	flags.BoolVar(&o.approve, "approve", false, "go on after the last canary, or give the traffic to the new pods of --blue-green, only when somebody says so with 'rolloutgate approve'")
	flags.DurationVar(&o.approveTimeout, "approve-timeout", approveTime, "how long to wait for that; then everything goes back")
	flags.StringVar(&o.approveBy, "approve-by", "", "regular expression for the whole name of who may say so, as the API server knows them")
	flags.BoolVar(&o.park, "park", false, "end where --approve would wait, with exit code 0; 'rolloutgate resume' goes on, in a job that somebody has to start")
	flags.BoolVar(&o.helmTests, "helm-tests", false, "run Helm's test hooks when everything else is complete; a test that fails undoes the release")
}

// delivery reads the flags about stages. Those of the config file are left alone when a flag says which there are.
func (o *options) delivery() (gate.Delivery, error) {
	d := gate.Delivery{Workloads: o.workloads, HelmTests: o.helmTests, Drain: o.drain}
	inFile := o.staged && len(o.canaries) == 0 && !o.blueGreen && len(o.stages) > 0
	waits := 0 // the part that waits for somebody
	for i, text := range o.canaries {
		share, err := gate.ParseShare(text)
		if err != nil {
			what, hint, _ := strings.Cut(err.Error(), "\n  hint: ")
			return d, &usageError{"reading --canary: " + what, hint}
		}
		d.Parts, waits = append(d.Parts, gate.Part{Canary: share, Hold: o.hold}), i
	}
	if o.blueGreen {
		if len(o.canaries) > 0 || o.drain {
			return d, &usageError{"--blue-green excludes --canary and --drain", "it gives all users to the new pods at once, and drains the old ones in any case"}
		}
		d.Parts = []gate.Part{{Preview: &gate.Preview{}}, {Switch: true, Hold: o.hold}}
	}
	for flag, given := range map[string]bool{"hold": o.hold > 0, "approve": o.approve, "park": o.park} {
		if given && inFile {
			return d, &usageError{"--" + flag + " does not go with the stages of the config file", "write it there, or say all of them in flags: --canary 5%"}
		}
		if given && len(d.Parts) == 0 {
			return d, &usageError{"--" + flag + " without stages", "say how many pods become new first: --canary 5%, or --blue-green"}
		}
	}
	if len(o.workloads) > 0 && !inFile && len(d.Parts) == 0 && !o.drain {
		return d, &usageError{"--workloads without stages", "say in which they become new: --canary 5%, --blue-green or --drain"}
	}
	switch {
	case inFile:
		d.Parts = o.stages
		_, err := o.readJobs()
		return d, errors.Join(o.findCommands(true), err)
	case o.approve && o.park:
		return d, &usageError{"--approve and --park exclude each other", "the job that resumes a parked run is the one to be approved"}
	case o.approve || o.park:
		if _, err := regexp.Compile(o.approveBy); err != nil {
			return d, &usageError{"reading --approve-by: " + err.Error(), ""}
		}
		d.Parts[waits].Approval = &gate.Approval{Timeout: o.approveTimeout, By: o.approveBy, Park: o.park}
	}
	return d, nil
}

// trying is the flag that only looks.
func (o *options) trying(flags *pflag.FlagSet) {
	flags.StringVar(&o.dryRun, "dry-run", "none", "none, or server: do what 'plan' does")
}

// locking are the flags about other runs at the same objects.
func (o *options) locking(flags *pflag.FlagSet) {
	flags.DurationVar(&o.waitForLock, "wait-for-lock", gate.DefaultWaitForLock, "how long to wait for another run at the same objects; 0: end at once")
	flags.BoolVar(&o.takeOver, "take-over", false, "put an end to another run at the same objects, and go on from what it has left")
}

// recording is the flag that says where runs are kept.
func (o *options) recording(flags *pflag.FlagSet) {
	flags.StringVar(&o.keep, "record", string(gate.KeepInCluster), "where the run is kept for 'undo' and 'resume': cluster (a Secret, or a ConfigMap where Secrets are forbidden and none is among the objects), file (in --report-dir or the working directory, without the data of Secrets) or none")
}

// keeping is the flag about what stays of earlier runs.
func (o *options) keeping(flags *pflag.FlagSet) {
	flags.IntVar(&o.history, "history", gate.DefaultHistory, "how many ended runs stay on record in the namespace")
}

// complete fills in the options from environment and config file, and checks them.
func (o *options) complete(c *cobra.Command, getenv func(string) string) error {
	given := map[string]bool{}
	c.Flags().VisitAll(func(f *pflag.Flag) { given[f.Name] = f.Changed || getenv(envName(f.Name)) != "" })
	file, err := fillFlags(c, getenv)
	if err != nil {
		return err
	}
	spec := file.spec
	o.server, o.stages, o.notify, o.objectRows = file.server, file.stages, file.notify, file.objects
	o.command = c.Name()
	for name, from := range map[string]struct{ flag, file *time.Duration }{
		"settle": {(*time.Duration)(&o.settle), &spec.Timing.Settle}, "window": {&o.window, &spec.Timing.Window},
		"interval": {(*time.Duration)(&o.interval), &spec.Timing.Interval},
	} {
		if given[name] {
			*from.file = *from.flag
		}
	}
	o.spec = spec
	if err := o.selectClusters(file.sites, given["context"]); err != nil {
		return err
	}
	if o.githubAudience != "" {
		o.token, o.noToken = gitHubToken(getenv, o.githubAudience)
	}
	if o.cause, err = causeOf(o.changeCause, o.pipeline(getenv)); err != nil {
		return err
	}
	return errors.Join(
		oneOf("output", o.output, formatNames(o.formats)...), oneOf("undo", o.undo, "on-failure", "never", ""),
		oneOf("on-cancel", o.onCancel, "undo", "leave", ""), o.checkScope(), oneOf("dry-run", o.dryRun, "none", "server", ""),
		oneOf("record", o.keep, string(gate.KeepInCluster), string(gate.KeepInFile), string(gate.KeepNothing), ""),
		oneOf("preflight", o.preflight, string(gate.PreflightEnforce), string(gate.PreflightWarn), string(gate.PreflightOff), ""),
		oneOf("gitops", o.gitops, string(gate.GitOpsRefuse), string(gate.GitOpsWarn), ""),
	)
}

func oneOf(flag, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return &usageError{fmt.Sprintf("reading --%s: %q is not one of %s", flag, value, strings.Join(strings.Fields(strings.Join(allowed, " ")), ", ")), ""}
}

// formats are the forms of a report.
func (p *program) formats() []report.Format { return append(report.Formats(), p.moreFormats...) }

func formatNames(formats []report.Format) (names []string) {
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// formatFiles are the names of the files in a folder of reports.
func formatFiles(formats []report.Format) (files []string) {
	for _, f := range formats {
		if f.File != "" {
			files = append(files, f.File)
		}
	}
	return files
}

// list is "a, b or c".
func list(words []string, last string) string {
	n := len(words) - 1
	if n < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:n], ", ") + " " + last + " " + words[n]
}
