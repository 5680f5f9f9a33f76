package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/cluster"
	"github.com/rolloutgate/rolloutgate/gate/diagnosis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/order"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/report"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// wired is a cluster in the form in which a run wants it.
type wired struct{ *cluster.Client }

var (
	_ gate.Cluster = wired{}
	_ gate.Store   = wired{}
)

// Watch begins to follow targets.
func (w wired) Watch(ctx context.Context, targets []rollout.Target) gate.Watch {
	return w.Client.Watch(ctx, targets)
}

// objects reads the manifests.
func (o *options) objects(p *program) (manifest.Manifests, error) {
	if len(o.filenames) == 0 && o.kustomize == "" {
		return manifest.Manifests{}, &usageError{"nothing to apply", "name files or folders with -f, or a kustomization with -k"}
	}
	return manifest.Read(manifest.Options{Filenames: o.filenames, Recursive: o.recursive, Kustomize: o.kustomize, Stdin: p.stdin,
		Skip: append(o.jobFiles(), defaultConfig, o.config)})
}

// written are the objects that a run writes, be it a first install or an upgrade, and notes about those that it leaves out
// in any case.
func (o *options) written(objects []manifest.Object) (written []manifest.Object, notes []string, err error) {
	install, err := order.Split(objects, order.Options{Tests: o.helmTests})
	if err != nil {
		return nil, nil, err
	}
	upgrade, err := order.Split(objects, order.Options{Tests: o.helmTests, Upgrade: true})
	if err == nil && len(install.Groups) == 0 {
		err = upgrade.NotEmpty()
	}
	if err != nil {
		return nil, nil, err
	}
	for _, object := range append(install.Objects(), upgrade.Objects()...) {
		if !slices.ContainsFunc(written, func(w manifest.Object) bool { return w.Unstructured == object.Unstructured }) {
			written = append(written, object.Object)
		}
	}
	again := upgrade.Notes()
	return written, slices.DeleteFunc(install.Notes(), func(n string) bool { return !slices.Contains(again, n) }), nil
}

// client connects to the cluster.
func (o *options) client() (*cluster.Client, error) {
	config, err := o.kube.ToRESTConfig()
	if err != nil {
		return nil, noCluster(err)
	}
	if o.noToken != nil {
		return nil, o.noToken
	}
	if o.token != nil {
		config = cluster.WithTokens(config, o.token)
	}
	return cluster.New(config, cluster.Options{Namespace: o.namespace(), FieldManager: o.fieldManager, Force: o.forceConflicts, ChangeCause: o.cause})
}

// knowsACluster: without a kubeconfig, client-go asks localhost:8080 for a cluster that nobody has meant.
func (o *options) knowsACluster() error {
	config, err := o.kube.ToRESTConfig()
	if err != nil {
		return noCluster(err)
	}
	raw, err := o.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil || len(raw.Clusters) > 0 || !strings.HasSuffix(config.Host, "localhost:8080") {
		return nil
	}
	if path := os.Getenv("KUBECONFIG"); path != "" {
		return noCluster(fmt.Errorf("KUBECONFIG is %q, and there is no kubeconfig", path))
	}
	return noCluster(errors.New("there is no kubeconfig"))
}

// noCluster is the error of a kubeconfig that leads nowhere.
func noCluster(err error) error {
	return &usageError{fmt.Sprintf("finding the cluster: %v", err), "set KUBECONFIG, or use --kubeconfig and --context"}
}

// namespace is the one of the flag, of the context, or "default".
func (o *options) namespace() string {
	if len(o.sites) > 0 {
		var all []string
		for _, s := range o.sites {
			if ns := o.at(s).namespace(); !slices.Contains(all, ns) {
				all = append(all, ns)
			}
		}
		return strings.Join(all, ",")
	}
	ns, _, err := o.kube.ToRawKubeConfigLoader().Namespace()
	if err != nil || ns == "" {
		return "default"
	}
	return ns
}

func (o *options) contextName() string {
	if len(o.sites) > 0 {
		return strings.Join(siteNames(o.sites), ",")
	}
	raw, err := o.kube.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return ""
	}
	return orDefault(*o.kube.Context, raw.CurrentContext)
}

// gate builds the gate from the options.
func (o *options) gate(client *cluster.Client, getenv func(string) string) (gate.Gate, error) {
	g := gate.Gate{
		Cluster: wired{client}, Timeout: o.timeout, UndoTimeout: o.undoTimeout, NeverUndo: o.undo == "never",
		LeaveOnCancel: o.onCancel == "leave", KeepStuckPods: !o.deleteStuck, KeepLogs: o.reportDir != "", KeepBadPod: o.keepBadPod,
		RequirePods: o.requirePods, RestartOnConfigChange: o.restart, ExitOnFindings: o.exitOnFindings, Timing: o.spec.Timing,
		Version: version(), Context: o.contextName(), Namespace: o.namespace(),
		Store: o.store(client), Keep: gate.Keeping(o.keep), History: o.history, WaitForLock: o.waitForLock, TakeOver: o.takeOver,
		FieldManager: o.fieldManager, Force: o.forceConflicts, Pipeline: o.pipeline(getenv), Here: thisMachine(),
		Policy: o.spec.On, Vars: o.variables(getenv), Preflight: gate.PreflightMode(o.preflight), GitOps: gate.GitOpsMode(o.gitops), Recovery: o.recovery,
		RunTest: runTest, RunCommand: o.carriesOut(getenv),
	}
	var err error
	if g.Patience, err = o.patience(); err != nil {
		return g, err
	}
	if g.UndoCommand, err = o.readUndoCommand(); err != nil {
		return g, err
	}
	if g.Delivery, err = o.delivery(); err != nil {
		return g, err
	}
	if g.Criteria, err = o.criteria(g.Vars); err != nil {
		return g, err
	}
	if g.Objects, err = o.rows(g.Criteria); err != nil || len(g.Criteria) == 0 {
		return g, err
	}
	if longest := g.Timing.Longest(g.Criteria); o.timeout > 0 && longest > o.timeout {
		return g, tooLong(longest, o.timeout)
	}
	if err := o.connectEndpoints(&g, getenv); err != nil || !analysis.AskPrometheus(g.Criteria) {
		return g, err
	}
	return g, o.connectPrometheus(&g, getenv)
}

// store is where runs are kept.
func (o *options) store(client *cluster.Client) gate.Store {
	if gate.Keeping(o.keep) == gate.KeepInFile {
		return fileStore{wired{client}, o.recordDir()}
	}
	return wired{client}
}

// pipeline is who runs this, as far as the CI system tells.
func (o *options) pipeline(getenv func(string) string) record.Pipeline {
	ci, err := parseCI(o.ci, o.ciSystems, getenv)
	if err != nil || ci.pipeline == nil {
		return record.Pipeline{}
	}
	p := ci.pipeline(getenv)
	p.System = ci.name
	if u, err := url.Parse(p.URL); err == nil && u.User != nil {
		u.User = nil // it may be a password
		p.URL = u.String()
	}
	for _, text := range []*string{&p.URL, &p.Commit, &p.Actor} {
		*text = report.Sanitize(*text, 1, maxPipelineText)
	}
	return p
}

// maxPipelineText is how long a text from the environment may be that is kept in the cluster.
const maxPipelineText = 300

func usage(err error) error {
	if err == nil {
		return nil
	}
	return &usageError{err.Error(), ""}
}

// variables are those that the config file defines.
func (o *options) variables(getenv func(string) string) analysis.Vars {
	vars := analysis.Vars{Custom: o.spec.Vars, Env: map[string]string{}}
	for _, name := range o.spec.Env {
		if value := getenv(name); value != "" {
			vars.Env[name] = value
		}
	}
	return vars
}

// criteria joins those of the config file with those of --check.
func (o *options) criteria(vars analysis.Vars) ([]analysis.Criterion, error) {
	criteria, err := o.spec.Compile(vars)
	if err != nil {
		return nil, usage(err)
	}
	checks, err := analysis.ParseChecks(o.checks, o.spec.Known(vars), criteria)
	if err != nil {
		return nil, usage(err)
	}
	criteria = append(criteria, checks...)
	return criteria, usage(o.spec.Timing.Check(criteria))
}

// patience reads --grace and --no-fail-fast.
func (o *options) patience() (diagnosis.Patience, error) {
	if _, err := diagnosis.ParsePatience(strings.Join(o.grace, ","), ""); err != nil {
		return diagnosis.Patience{}, &usageError{"reading --grace: " + err.Error(), ""}
	}
	p, err := diagnosis.ParsePatience(strings.Join(o.grace, ","), o.noFailFast)
	if err != nil {
		return p, &usageError{"reading --no-fail-fast: " + err.Error(), ""}
	}
	return p, nil
}

// findTime is how long the API server may take to answer the first questions.
const findTime = 30 * time.Second

// targets finds the workloads that the arguments name.
func (o *options) targets(ctx context.Context, client *cluster.Client, args []string) ([]rollout.Target, error) {
	if len(args) == 0 {
		return nil, &usageError{"no workload named", "name them as KIND/NAME, for example deployment/web"}
	}
	images, err := o.awaitedImages(len(args))
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	targets, err := client.Find(ctx, args, len(o.forImages) > 0)
	switch gate.OutcomeOf(err) {
	case gate.Internal, gate.Refused: // the arguments mean nothing, or nothing that is there
		err = usage(err)
	}
	if err == nil {
		err = await(ctx, client, images, targets)
	}
	return targets, err
}
