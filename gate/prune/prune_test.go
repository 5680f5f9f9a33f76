package prune

import (
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

var at = metav1.NewTime(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))

// object reads an object, as a run has applied it.
func parsed(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{Object: map[string]any{}}
	if err := yaml.Unmarshal([]byte(text), &u.Object); err != nil {
		t.Fatal(err)
	}
	u.SetNamespace("shop")
	u.SetUID("uid-" + types.UID(u.GetName()))
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "rolloutgate", Operation: metav1.ManagedFieldsOperationApply, Time: &at}})
	return u
}

func leftover(t *testing.T, text string) Leftover {
	t.Helper()
	u := parsed(t, text)
	sent := u.DeepCopy()
	sent.SetManagedFields(nil)
	ref := manifest.Object{Unstructured: u}.Ref()
	return Leftover{Was: patch.Write{Ref: ref, Manager: "rolloutgate", Written: u.DeepCopy(), Sent: sent}, Live: u}
}

const config = "{apiVersion: v1, kind: ConfigMap, metadata: {name: conf}, data: {a: b}}"

// TestRules: every rule keeps what it is for, and a rule that says so takes it out of the set.
func TestRules(t *testing.T) {
	later := metav1.NewTime(at.Add(time.Hour))
	claim := []schema.GroupKind{{Kind: "PersistentVolumeClaim"}}
	for _, c := range []struct {
		rule, text string
		change     func(l *Leftover, f *Facts)
		why        string // empty: it is deleted
		leaves     bool
	}{
		{"nothing is in the way", config, func(*Leftover, *Facts) {}, "", false},
		{"unknown", config, func(l *Leftover, _ *Facts) { l.Live, l.Unknown = nil, errors.New("no right") }, "it could not be read: no right", false},
		{"moved", config, func(l *Leftover, f *Facts) {
			f.Written[l.Live.GetUID()] = manifest.Ref{Group: "example.com", Kind: "ConfigMap", Name: "conf"}
		}, "it is the same object as configmap/conf of example.com in the manifests", true},
		{"going", config, func(l *Leftover, _ *Facts) {
			l.Live.SetDeletionTimestamp(&at)
			l.Live.SetFinalizers([]string{"example.com/slow"})
		}, "it is being deleted since 12:00:00 and waits for its finalizers example.com/slow", false},
		{"unrecorded", config, func(l *Leftover, _ *Facts) { l.Was.Written = nil }, "how the earlier run has left it is not on record", false},
		{"a Secret on record elsewhere", "{apiVersion: v1, kind: Secret, metadata: {name: token}}", func(_ *Leftover, f *Facts) { f.WithoutSecrets = true },
			"the data of Secrets does not go on record here, so no undo could create it again", false},
		{"owned", config, func(l *Leftover, _ *Facts) {
			l.Live.SetOwnerReferences([]metav1.OwnerReference{{Kind: "Shop", Name: "main"}})
		}, "it belongs to shop/main", true},
		{"elsewhere", config, func(l *Leftover, f *Facts) { f.Elsewhere[l.Was.Ref] = "the set blog" }, "the set blog has it, too", true},
		{"marked", config, func(l *Leftover, _ *Facts) {
			l.Live.SetAnnotations(map[string]string{"meta.helm.sh/release-name": "shop"})
		},
			"a release of Helm has it: meta.helm.sh/release-name is shop", true},
		{"a mark of its own manifest", config, func(l *Leftover, _ *Facts) {
			for _, u := range []*unstructured.Unstructured{l.Live, l.Was.Sent} {
				u.SetLabels(map[string]string{"kapp.k14s.io/app": "1"})
			}
		}, "", false},
		{"never applied", config, func(l *Leftover, _ *Facts) { l.Was.Written.SetManagedFields(nil) }, "no run has ever applied it", true},
		{"nothing but a name, created", config, func(l *Leftover, _ *Facts) { nameOnly(l); l.Was.Action = patch.Created }, "", false},
		{"nothing but a name, there before", config, func(l *Leftover, _ *Facts) { nameOnly(l); l.Was.Action = patch.Unchanged }, "its manifest has nothing but a name", true},
		{"taken over", config, func(l *Leftover, _ *Facts) { l.Live.SetManagedFields(nil) }, "rolloutgate does not apply it any more", true},
		{"applied again", config, func(l *Leftover, _ *Facts) {
			l.Live.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "rolloutgate", Operation: metav1.ManagedFieldsOperationApply, Time: &later}})
		}, "it was applied again by rolloutgate at 2026-11-01 13:00:00 UTC, and not by a run of this set", true},
		{"shared", config, func(l *Leftover, _ *Facts) {
			l.Live.SetManagedFields(append(l.Live.GetManagedFields(), metav1.ManagedFieldsEntry{Manager: "argocd-controller", Operation: metav1.ManagedFieldsOperationApply, Time: &at}))
		}, "argocd-controller applies it, too", true},
		{"changed", config, func(l *Leftover, _ *Facts) { l.Theirs = []patch.Kept{{Path: "data.a", Manager: "kubectl-edit"}} }, "data.a was changed by kubectl-edit since", true},
		{"our annotation", config, annotated(Annotation, "false"), "its annotation rolloutgate.dev/prune: false asks for that", false},
		{"our annotation says yes", config, annotated(Annotation, "true"), "", false},
		{"Helm's", config, annotated("helm.sh/resource-policy", "keep"), "its annotation helm.sh/resource-policy: keep asks for that", false},
		{"Argo CD's", config, annotated("argocd.argoproj.io/sync-options", "Replace=true, Prune=false"), "asks for that", false},
		{"Argo CD's others", config, annotated("argocd.argoproj.io/sync-options", "Replace=true"), "", false},
		{"Flux's", config, annotated("kustomize.toolkit.fluxcd.io/prune", "disabled"), "asks for that", false},
		{"kapp's", config, annotated("kapp.k14s.io/delete-strategy", "orphan"), "asks for that", false},
		{"a claim", "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}}", func(*Leftover, *Facts) {}, "a PersistentVolumeClaim is deleted only with --prune-protected PersistentVolumeClaim", false},
		{"a claim that is asked for", "{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data}}", func(_ *Leftover, f *Facts) { f.Protected = claim }, "", false},
		{"a namespace", "{apiVersion: v1, kind: Namespace, metadata: {name: extra}}", func(_ *Leftover, f *Facts) { f.Protected = claim }, "a Namespace is deleted only with", false},
		{"a definition", "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: x}}", func(*Leftover, *Facts) {}, "a CustomResourceDefinition is deleted only with", false},
		{"a namespace that is lived in", "{apiVersion: v1, kind: Namespace, metadata: {name: shop}}", func(_ *Leftover, f *Facts) { f.Protected = ProtectedKinds }, "this run has objects in it", false},
		{"claims", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}}", func(*Leftover, *Facts) {}, "its claims would be deleted with it", false},
		{"claims that are asked for", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}, spec: {persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete}}}", func(_ *Leftover, f *Facts) { f.Protected = claim }, "", false},
		{"claims that stay", "{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: db}}", func(*Leftover, *Facts) {}, "", false},
		{"readers are not known", config, func(_ *Leftover, f *Facts) { f.Unlisted["shop"] = errors.New("no right") }, "whether pods still read it is not known: no right", false},
		{"readers of a Service are not asked for", "{apiVersion: v1, kind: Service, metadata: {name: web}}", func(_ *Leftover, f *Facts) { f.Unlisted["shop"] = errors.New("no right") }, "", false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			l := leftover(t, c.text)
			f := Facts{Namespaces: []string{"shop"}, Written: map[types.UID]manifest.Ref{}, Elsewhere: map[manifest.Ref]string{}, Unlisted: map[string]error{}}
			c.change(&l, &f)
			d := Decide([]Leftover{l}, f)[0]
			if (d.Why == "") != (c.why == "") || !strings.HasPrefix(d.Why, c.why) && !strings.HasSuffix(d.Why, c.why) || d.Leaves != c.leaves {
				t.Errorf("%q, leaves %t; want %q, %t", d.Why, d.Leaves, c.why, c.leaves)
			}
		})
	}
}

func annotated(name, value string) func(*Leftover, *Facts) {
	return func(l *Leftover, _ *Facts) { l.Live.SetAnnotations(map[string]string{name: value}) }
}

// TestReads: whatever pods may read by its name counts.
func TestReads(t *testing.T) {
	for _, c := range []struct{ ref, spec string }{
		{"ConfigMap", "volumes: [{name: x, configMap: {name: it}}]"},
		{"ConfigMap", "volumes: [{name: x, projected: {sources: [{configMap: {name: it}}]}}]"},
		{"ConfigMap", "containers: [{name: x, envFrom: [{configMapRef: {name: it}}]}]"},
		{"ConfigMap", "initContainers: [{name: x, env: [{name: A, valueFrom: {configMapKeyRef: {name: it, key: a}}}]}]"},
		{"Secret", "volumes: [{name: x, secret: {secretName: it}}]"},
		{"Secret", "volumes: [{name: x, projected: {sources: [{secret: {name: it}}]}}]"},
		{"Secret", "volumes: [{name: x, csi: {driver: d, nodePublishSecretRef: {name: it}}}]"},
		{"Secret", "containers: [{name: x, envFrom: [{secretRef: {name: it}}]}]"},
		{"Secret", "containers: [{name: x, env: [{name: A, valueFrom: {secretKeyRef: {name: it, key: a}}}]}]"},
		{"Secret", "imagePullSecrets: [{name: it}]"},
		{"ServiceAccount", "serviceAccountName: it"},
		{"PersistentVolumeClaim", "volumes: [{name: x, persistentVolumeClaim: {claimName: it}}]"},
	} {
		var spec corev1.PodSpec
		if err := yaml.Unmarshal([]byte(c.spec), &spec); err != nil {
			t.Fatal(err)
		}
		all := []Reader{{Object: manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"}, Spec: spec}}
		for _, kind := range []string{"ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim"} {
			ref := manifest.Ref{Kind: kind, Namespace: "shop", Name: "it"}
			if got := len(ReadersOf(ref, all)) == 1; got != (kind == c.ref) {
				t.Errorf("%s: reads the %s: %t", c.spec, kind, got)
			}
			if ref.Namespace = "other"; len(ReadersOf(ref, all)) > 0 {
				t.Errorf("%s: reads what is in another namespace", c.spec)
			}
		}
	}
	set := Reader{Object: manifest.Ref{Group: "apps", Kind: "StatefulSet", Namespace: "shop", Name: "db"}, Claims: []string{"data"}}
	if len(ReadersOf(manifest.Ref{Kind: "PersistentVolumeClaim", Namespace: "shop", Name: "data-db-0"}, []Reader{set})) != 1 {
		t.Error("a StatefulSet does not read its claims")
	}
}

// TestOrder: workloads go before what they read, which is read by nobody then; what is read by what stays, stays.
func TestOrder(t *testing.T) {
	const deployment = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}}"
	reads := Reader{
		Object: manifest.Ref{Group: "apps", Kind: "Deployment", Namespace: "shop", Name: "web"},
		Spec: corev1.PodSpec{Volumes: []corev1.Volume{{VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: "conf"},
		}}}}},
	}
	for _, keep := range []bool{false, true} {
		web := leftover(t, deployment)
		want := "deployment/web: , configmap/conf: "
		if keep {
			annotated(Annotation, "false")(&web, nil)
			want = "deployment/web: its annotation rolloutgate.dev/prune: false asks for that, configmap/conf: it is still read by deployment/web"
		}
		var got []string
		gone := Leftover{Was: patch.Write{Ref: manifest.Ref{Kind: "Secret", Name: "gone"}}}
		for _, d := range Decide([]Leftover{gone, leftover(t, config), web}, Facts{Readers: []Reader{reads}}) {
			got = append(got, d.Was.Ref.String()+": "+d.Why)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s\nwant %s", strings.Join(got, ", "), want)
		}
	}
}

// nameOnly makes an object of nothing but a name: an API server notes nobody who has applied that.
func nameOnly(l *Leftover) {
	l.Was.Sent = &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": l.Live.GetName(), "namespace": l.Live.GetNamespace()},
	}}
	l.Was.Written.SetManagedFields(nil)
	l.Live.SetManagedFields(nil)
}
