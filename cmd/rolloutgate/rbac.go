package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/rolloutgate/rolloutgate/analysis"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/rolloutgate/rolloutgate/gate"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rights"
	"github.com/rolloutgate/rolloutgate/gate/tunnel"
)

func (p *program) rbacCommand() *cobra.Command {
	o := p.newOptions()
	var account string
	var least bool
	c := &cobra.Command{
		Use:   "rbac -f FILENAME",
		Short: "Print the Roles that an account needs for a run of these manifests with these flags",
		Long: `Print, as YAML for kubectl apply, the Roles and their bindings that an account needs for a run of these manifests
with these flags, and for undo, resume, history, watch, diagnose and drill of what they deploy. Every rule says what it is
for, and what is lost without it. The cluster is asked only for what it calls a kind that neither Kubernetes nor the
manifests define.`,
		Example: `  rolloutgate rbac -f deploy/ -n shop --service-account ci/deployer | kubectl apply -f -`,
		Args:    cobra.NoArgs,
		RunE:    func(c *cobra.Command, _ []string) error { return p.rbac(c, o, account, least) },
	}
	o.connection(c.Flags())
	o.manifests(c.Flags())
	o.respecting(c.Flags())
	o.staging(c.Flags())
	o.pruning(c.Flags())
	o.releasing(c.Flags())
	o.trying(c.Flags())
	o.labelling(c.Flags())
	o.telling(c.Flags())
	c.Flags().StringVar(&account, "service-account", "", "account that gets the rights, as NAMESPACE/NAME, or NAME in the namespace of the run")
	c.Flags().BoolVar(&least, "required-only", false, "leave out what a run can do without")
	return c
}

// rbac prints the Roles of a run. It asks the cluster only where it has to.
func (p *program) rbac(c *cobra.Command, o *options, account string, least bool) error {
	if err := o.complete(c, p.getenv); err != nil {
		return err
	}
	read, err := o.objects(p)
	if err != nil {
		return err
	}
	written, leftOut, err := o.written(read.Objects)
	if err != nil {
		return err
	}
	delivery, err := o.delivery()
	if err != nil {
		return err
	}
	for _, part := range delivery.Parts {
		if part.Test != nil {
			written = append(written, part.Test.Objects...)
		}
	}
	to, err := parseAccount(account, o.namespace())
	if err != nil {
		return err
	}
	use, err := o.use(p.getenv)
	if err != nil {
		return err
	}
	if _, err := o.pruned(nil); err != nil {
		return err
	}
	use.Objects, err = rights.Find(written, o.namespace(), func(gvk schema.GroupVersionKind) (manifest.Resource, error) {
		return o.ask(c.Context(), gvk)
	})
	var unknown *rights.UnknownKindError
	if errors.As(err, &unknown) {
		return &unknownKind{unknown}
	}
	if err != nil {
		return err
	}
	criteria, err := o.criteria(o.variables(p.getenv))
	if err != nil {
		return err
	}
	rows, err := o.rows(criteria)
	if err != nil {
		return err
	}
	for i, object := range use.Objects {
		use.Objects[i].Own = gate.HasExpressions(rows, object.Ref(), object.GetAnnotations())
	}
	needed := rights.Needed(use)
	if least {
		needed = rights.Required(needed)
	}
	for _, note := range slices.Concat(read.Notes(), leftOut, rights.Notes(use)) {
		fmt.Fprintf(p.stderr, "note: %s\n", printable(errors.New(note)))
	}
	_, err = io.WriteString(p.stdout, rights.YAML(needed, to, o.namespace()))
	return err
}

// use is what a run with these flags may do, without its objects.
func (o *options) use(getenv func(string) string) (rights.Use, error) {
	d, err := o.delivery()
	if err != nil {
		return rights.Use{}, err
	}
	shares := slices.ContainsFunc(d.Parts, func(p gate.Part) bool { return p.Traffic > 0 })
	previews := slices.ContainsFunc(d.Parts, func(p gate.Part) bool { return p.Preview != nil })
	u := rights.Use{
		Home: o.namespace(), Record: gate.Keeping(o.keep) == gate.KeepInCluster && o.dryRun != "server",
		NeverUndo: o.undo == "never" || o.dryRun == "server", Pins: previews || shares || o.drain, Shares: shares,
		KeepStuckPods: !o.deleteStuck, KeepBadPod: o.keepBadPod, Events: o.events && o.dryRun != "server",
		Prunes: o.prune.set != "",
	}
	delivery, err := o.delivery()
	if err != nil {
		return u, err
	}
	u.Canaries = len(delivery.Parts) > 0
	criteria, err := o.criteria(o.variables(getenv))
	if err != nil || len(criteria) == 0 {
		return u, err
	}
	if u.Endpoints, err = servicesOf(criteria); err != nil || !analysis.AskPrometheus(criteria) {
		return u, err
	}
	settings, err := o.settings(getenv)
	if err != nil || settings.Service == "" {
		return u, err
	}
	service, err := tunnel.ParseService(settings.Service)
	if err != nil {
		return u, usage(err)
	}
	u.Prometheus = rights.Service{Namespace: service.Namespace, Name: service.Name, NoProxy: settings.TunnelReason() != ""}
	return u, nil
}

// servicesOf are the Services that criteria ask through the API server.
func servicesOf(criteria []analysis.Criterion) (out []rights.Service, err error) {
	for _, e := range analysis.Endpoints(criteria) {
		if e.Service == "" {
			continue
		}
		s, err := tunnel.ParseService(e.Service)
		if err != nil {
			return nil, usage(err)
		}
		out = append(out, rights.Service{Namespace: s.Namespace, Name: s.Name})
	}
	return out, nil
}

// ask asks the cluster where it serves a kind.
func (o *options) ask(ctx context.Context, gvk schema.GroupVersionKind) (manifest.Resource, error) {
	client, err := o.client()
	if err != nil {
		return manifest.Resource{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, findTime)
	defer cancel()
	return client.Resource(ctx, gvk)
}

// unknownKind is a kind whose resource nobody knows.
type unknownKind struct{ error }

// Outcome says what it means for the exit code.
func (unknownKind) Outcome() gate.Outcome { return gate.Invalid }

func (u unknownKind) Error() string {
	text, _, _ := strings.Cut(u.error.Error(), "\n") // one hint is enough
	return text + "\n  hint: give its CustomResourceDefinition with -f, too, or a cluster that has it with --context"
}

// parseAccount reads --service-account.
func parseAccount(text, namespace string) (rights.Account, error) {
	if text == "" {
		return rights.Account{}, nil
	}
	where, name, qualified := strings.Cut(text, "/")
	if !qualified {
		where, name = namespace, text
	}
	if len(validation.IsDNS1123Label(where)) > 0 || len(validation.IsDNS1123Subdomain(name)) > 0 {
		return rights.Account{}, &usageError{fmt.Sprintf("reading --service-account: %q is not NAMESPACE/NAME", text), "for example ci/deployer"}
	}
	return rights.Account{Namespace: where, Name: name}, nil
}
