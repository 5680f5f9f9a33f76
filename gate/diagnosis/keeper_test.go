package diagnosis

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
)

// TestKeeperOf: who keeps an object, and how it is made to leave it alone. The metadata is that of a Deployment shop/web.
func TestKeeperOf(t *testing.T) {
	const argo, kustomize, helm = "managedFields: [{manager: argocd-controller, operation: Apply}]", "managedFields: [{manager: kustomize-controller, operation: Apply}]", "managedFields: [{manager: helm-controller, operation: Update}]"
	for name, c := range map[string]struct{ metadata, want, suspend string }{
		"nobody":                      {metadata: "labels: {app: web}"},
		"by hand":                     {metadata: "managedFields: [{manager: kubectl-edit, operation: Update}]"},
		"a tracking id":               {metadata: `annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/web"}`, want: "Argo CD application shop", suspend: "argocd app set shop --sync-policy none"},
		"of an application elsewhere": {metadata: `annotations: {argocd.argoproj.io/tracking-id: "team-a_shop:apps/Deployment:shop/web"}`, want: "Argo CD application team-a/shop", suspend: "argocd app set team-a/shop --sync-policy none"},
		"without a namespace":         {metadata: `annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:/web"}`, want: "Argo CD application shop", suspend: "argocd app set shop --sync-policy none"},
		"of another form":             {metadata: `annotations: {argocd.argoproj.io/tracking-id: "shop"}`, want: "Argo CD application shop", suspend: "argocd app set shop --sync-policy none"},
		"a copied tracking id":        {metadata: `annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:shop/other"}`},
		"of the same name elsewhere":  {metadata: `annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:live/web"}`},
		"of another kind":             {metadata: `annotations: {argocd.argoproj.io/tracking-id: "shop:apps/StatefulSet:shop/web"}`},
		"a name that is a command":    {metadata: `annotations: {argocd.argoproj.io/tracking-id: "$(reboot):apps/Deployment:shop/web"}`, want: "Argo CD"},
		"Argo CD's own label":         {metadata: "labels: {argocd.argoproj.io/instance: shop}", want: "Argo CD application shop", suspend: "argocd app set shop --sync-policy none"},
		"everybody's label":           {metadata: "labels: {app.kubernetes.io/instance: shop}"},
		"with its manager":            {metadata: "labels: {app.kubernetes.io/instance: shop}\n" + argo, want: "Argo CD application shop", suspend: "argocd app set shop --sync-policy none"},
		"its manager alone":           {metadata: argo, want: "Argo CD"},
		"which wrote a status only":   {metadata: "managedFields: [{manager: argocd-controller, operation: Update, subresource: status}]"},
		"a Kustomization":             {metadata: "labels: {kustomize.toolkit.fluxcd.io/name: shop, kustomize.toolkit.fluxcd.io/namespace: apps}", want: "Flux Kustomization apps/shop", suspend: "flux suspend kustomization shop -n apps"},
		"a Kustomization's manager":   {metadata: kustomize, want: "Flux"},
		"disabled":                    {metadata: "labels: {kustomize.toolkit.fluxcd.io/name: shop, kustomize.toolkit.fluxcd.io/namespace: apps}\nannotations: {kustomize.toolkit.fluxcd.io/reconcile: disabled}\n" + kustomize},
		"disabled by a label":         {metadata: "labels: {kustomize.toolkit.fluxcd.io/name: shop, kustomize.toolkit.fluxcd.io/reconcile: Disabled}"},
		"ignored":                     {metadata: "labels: {kustomize.toolkit.fluxcd.io/name: shop}\nannotations: {kustomize.toolkit.fluxcd.io/ssa: Ignore}"},
		"made once":                   {metadata: "labels: {kustomize.toolkit.fluxcd.io/name: shop}\nannotations: {kustomize.toolkit.fluxcd.io/ssa: IfNotPresent}"},
		"merged":                      {metadata: "labels: {kustomize.toolkit.fluxcd.io/name: shop}\nannotations: {kustomize.toolkit.fluxcd.io/ssa: Merge}", want: "Flux Kustomization shop", suspend: "flux suspend kustomization shop"},
		"a HelmRelease":               {metadata: "labels: {helm.toolkit.fluxcd.io/name: shop, helm.toolkit.fluxcd.io/namespace: apps}\nannotations: {meta.helm.sh/release-name: shop}", want: "Flux HelmRelease apps/shop", suspend: "flux suspend helmrelease shop -n apps"},
		"a HelmRelease's manager":     {metadata: helm, want: "Flux"},
		"Helm":                        {metadata: "annotations: {meta.helm.sh/release-name: web, meta.helm.sh/release-namespace: shop}", want: "Helm release shop/web"},
		"a chart's label":             {metadata: "labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: web}"},
	} {
		t.Run(name, func(t *testing.T) {
			var object map[string]any
			text := "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  namespace: shop\n  " + strings.ReplaceAll(c.metadata, "\n", "\n  ")
			if err := yaml.Unmarshal([]byte(text), &object); err != nil {
				t.Fatal(err)
			}
			u := &unstructured.Unstructured{Object: object}
			for _, o := range []rollout.Object{u, rollout.Typed(u)} {
				k, found := KeeperOf(o)
				if found != (c.want != "") || found && k.String() != c.want || k.Suspend() != c.suspend {
					t.Errorf("%T: %q, suspended by %q; want %q, %q", o, k, k.Suspend(), c.want, c.suspend)
				}
				if found && k.Proof == "" {
					t.Error("there is no proof")
				}
				if k.GitOps() != (found && k.Tool != "Helm") {
					t.Errorf("whether %s puts objects back: %t", k, k.GitOps())
				}
			}
		})
	}
	if _, found := KeeperOf(nil); found {
		t.Error("somebody keeps an object that is not there")
	}
}

// TestCopiedTrackingID: a controller copies the annotations of a Deployment to its ReplicaSets.
func TestCopiedTrackingID(t *testing.T) {
	rs := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "web-7d9f", Namespace: "shop", Annotations: map[string]string{
		"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/web",
	}}}
	if k, found := KeeperOf(rs); found {
		t.Errorf("%s keeps a ReplicaSet", k)
	}
}

func TestOwnedByGitOps(t *testing.T) {
	keeper := func(metadata map[string]string) Keeper {
		u := &unstructured.Unstructured{Object: map[string]any{}}
		u.SetLabels(metadata)
		k, _ := KeeperOf(u)
		return k
	}
	flux := keeper(map[string]string{"kustomize.toolkit.fluxcd.io/name": "shop", "kustomize.toolkit.fluxcd.io/namespace": "apps"})
	web := manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}
	config := manifest.Ref{Kind: "ConfigMap", Namespace: "shop", Name: "web"}
	f := OwnedByGitOps([]Kept{{Object: web, Keeper: flux}, {Object: config, Keeper: flux}}, "rolloutgate watch deployment/web")
	if want := "deployment/web belongs to Flux Kustomization apps/shop, and so does 1 more object: it would put back what is written here, and fight the undo"; f.Cause != want {
		t.Errorf("cause %q, want %q", f.Cause, want)
	}
	want := "make the change in the source of the Kustomization, and gate what comes of it: rolloutgate watch deployment/web\nor suspend it first (flux suspend kustomization shop -n apps), and run with --gitops=warn"
	if got := strings.Join(f.Fix, "\n"); got != want {
		t.Errorf("fix\n%s\nwant\n%s", got, want)
	}
	widget := manifest.Ref{Group: "example.com", Kind: "Widget", Namespace: "shop", Name: "web"}
	f = OwnedByGitOps([]Kept{{Object: web, Keeper: flux, Through: widget}}, "")
	if want := "deployment/web belongs to widget/web, and that to Flux Kustomization apps/shop: it would"; !strings.HasPrefix(f.Cause, want) || f.Evidence[0].Ref != "widget/web" {
		t.Errorf("cause %q, proven at %s", f.Cause, f.Evidence[0].Ref)
	}
}
