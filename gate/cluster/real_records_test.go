//go:build cluster

package cluster

import (
	"os"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// config is the way of an administrator.
func (f fixture) config() *rest.Config {
	f.t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		f.t.Fatal(err)
	}
	return config
}

// withoutSecrets is a client of an account that may do with ConfigMaps what a record takes, and nothing else.
func (f fixture) withoutSecrets() *Client {
	f.t.Helper()
	f.kubectl("", "-n", f.ns, "create", "role", "keeper", "--verb=get,list,create,update,delete", "--resource=configmaps")
	f.kubectl("", "-n", f.ns, "create", "rolebinding", "keeper", "--role=keeper", "--user=keeper")
	config := f.config()
	config.Impersonate.UserName = "keeper"
	c, err := New(config, Options{Namespace: f.ns})
	if err != nil {
		f.t.Fatal(err)
	}
	return c
}

// parts counts the objects of records.
func (f fixture) parts() (secrets, configMaps int) {
	f.t.Helper()
	o := metav1.ListOptions{LabelSelector: recordLabel}
	s, err := f.typed.CoreV1().Secrets(f.ns).List(f.t.Context(), o)
	if err != nil {
		f.t.Fatal(err)
	}
	m, err := f.typed.CoreV1().ConfigMaps(f.ns).List(f.t.Context(), o)
	if err != nil {
		f.t.Fatal(err)
	}
	return len(s.Items), len(m.Items)
}

// TestRecords: a record of several parts is saved, saved again, found and forgotten, by accounts that may use Secrets and
// by those that may not.
func TestRecords(t *testing.T) {
	f := onCluster(t, Options{})
	limited := f.withoutSecrets()
	f.partSize, limited.partSize = smallPart, smallPart
	for name, c := range map[string]struct {
		client              *Client
		kind                string
		secrets, configMaps int
	}{
		"in Secrets": {f.Client, "Secret", 3, 0}, "in ConfigMaps": {limited, "ConfigMap", 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			for _, r := range []record.Record{aRun("RUN", c.kind, record.Running, large), aRun("RUN", c.kind, record.Passed, large+1)} {
				r.Namespace = f.ns
				mustSave(t, c.client, r)
				if secrets, configMaps := f.parts(); secrets != c.secrets || configMaps != c.configMaps {
					t.Fatalf("%d Secrets and %d ConfigMaps", secrets, configMaps)
				}
			}
			other, err := New(f.config(), Options{Namespace: f.ns})
			if err != nil {
				t.Fatal(err)
			}
			all, err := other.Records(ctx, f.ns)
			if err != nil || len(all) != 1 || all[0].State != record.Passed {
				t.Fatalf("records %+v, %v", all, err)
			}
			if r, err := other.LoadRecord(ctx, f.ns, "RUN"); err != nil || r.State != record.Passed || r.Writes()[0].Sent == nil {
				t.Errorf("state %q, %v", r.State, err)
			}
			if err := other.ForgetRecord(ctx, f.ns, all[0]); err != nil {
				t.Error(err)
			}
			if secrets, configMaps := f.parts(); secrets+configMaps != 0 {
				t.Errorf("%d Secrets and %d ConfigMaps are left", secrets, configMaps)
			}
		})
	}
	r := aRun("RUN", "Secret", record.Running, small)
	r.Namespace = f.ns
	if err := limited.SaveRecord(t.Context(), r); !apierrors.IsForbidden(err) {
		t.Errorf("a Secret on record where none may be: %v", err)
	}
	if secrets, configMaps := f.parts(); secrets+configMaps != 0 {
		t.Errorf("%d Secrets and %d ConfigMaps are left", secrets, configMaps)
	}
}
