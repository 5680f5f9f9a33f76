package cluster

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
	"github.com/rolloutgate/rolloutgate/gate/record"
)

// keeper is an API server that keeps Secrets and ConfigMaps, and from which a client can be cut off at any request.
type keeper struct {
	mu      sync.Mutex
	objects map[string]runtime.Object // by resource and name
	made    time.Time                 // of objects
	asked   []string                  // verbs and resources
	// refuse is asked about every request, by its verb and resource; 0 lets it through.
	refuse func(call string) (code int, reason metav1.StatusReason)
	// left is how many requests are carried out before the client is cut off; below zero: all. The last one is carried out
	// and not answered if unanswered says so.
	left       int
	unanswered bool
	wasCut     bool
}

func newKeeper() *keeper {
	return &keeper{objects: map[string]runtime.Object{}, made: time.Now().Add(-2 * strayTime), left: -1}
}

// smallPart is how large the parts of records are here: what matters is that there are several.
const smallPart = 9_000

// client is a new process.
func (k *keeper) client(t *testing.T) *Client {
	t.Helper()
	server := httptest.NewServer(k)
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL}, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	c.partSize = smallPart
	return c
}

func (k *keeper) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.left == 0 {
		k.wasCut = true
		panic(http.ErrAbortHandler)
	}
	k.left--
	code, answer := k.carryOut(r)
	if k.left == 0 && k.unanswered {
		k.wasCut = true
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

// cutOff lets so many more requests through; below zero: all.
func (k *keeper) cutOff(after int, unanswered bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.left, k.unanswered = after, unanswered
}

// cut tells whether the client was cut off.
func (k *keeper) cut() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.wasCut
}

func refusal(code int, reason metav1.StatusReason, about string) (int, any) {
	return code, metav1.Status{
		TypeMeta: metav1.TypeMeta{Kind: "Status", APIVersion: "v1"}, Status: "Failure", Reason: reason, Code: int32(code), Message: about + ": " + string(reason),
	}
}

func (k *keeper) carryOut(r *http.Request) (int, any) {
	resource, name, named := strings.Cut(strings.TrimPrefix(r.URL.Path, "/api/v1/namespaces/shop/"), "/")
	verb := map[string]string{http.MethodPost: "create", http.MethodPut: "update", http.MethodDelete: "delete", http.MethodGet: "list"}[r.Method]
	if verb == "list" && named {
		verb = "get"
	}
	call := verb + " " + resource
	k.asked = append(k.asked, call)
	if k.refuse != nil {
		if code, reason := k.refuse(call); code != 0 {
			return refusal(code, reason, call)
		}
	}
	if verb == "list" {
		return http.StatusOK, k.list(resource, r.URL.Query().Get("labelSelector"))
	}
	if verb == "create" || verb == "update" {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return refusal(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		}
		o, gvk, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
		if err != nil {
			return refusal(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		}
		o.GetObjectKind().SetGroupVersionKind(*gvk)
		accessor, _ := meta.Accessor(o)
		accessor.SetCreationTimestamp(metav1.NewTime(k.made))
		name = accessor.GetName()
		if _, there := k.objects[resource+"/"+name]; there == (verb == "update") {
			k.objects[resource+"/"+name] = o
			return http.StatusOK, o
		}
		if verb == "create" {
			return refusal(http.StatusConflict, metav1.StatusReasonAlreadyExists, call)
		}
		return refusal(http.StatusNotFound, metav1.StatusReasonNotFound, call)
	}
	o, there := k.objects[resource+"/"+name]
	if !there {
		return refusal(http.StatusNotFound, metav1.StatusReasonNotFound, call)
	}
	if verb == "delete" {
		delete(k.objects, resource+"/"+name)
	}
	return http.StatusOK, o
}

func (k *keeper) list(resource, selector string) any {
	wanted, err := labels.Parse(selector)
	if err != nil {
		panic(err)
	}
	l := metav1.PartialObjectMetadataList{TypeMeta: metav1.TypeMeta{Kind: "PartialObjectMetadataList", APIVersion: "meta.k8s.io/v1"}}
	for _, key := range slices.Sorted(maps.Keys(k.objects)) {
		accessor, _ := meta.Accessor(k.objects[key])
		if strings.HasPrefix(key, resource+"/") && wanted.Matches(labels.Set(accessor.GetLabels())) {
			l.Items = append(l.Items, *meta.AsPartialObjectMetadata(accessor))
		}
	}
	return l
}

// calls are the requests since the last time.
func (k *keeper) calls() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	defer func() { k.asked = nil }()
	return strings.Join(k.asked, ", ")
}

func (k *keeper) names() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Sorted(maps.Keys(k.objects))
}

func forbid(calls ...string) func(string) (int, metav1.StatusReason) {
	return func(call string) (int, metav1.StatusReason) {
		_, resource, _ := strings.Cut(call, " ")
		if slices.Contains(calls, call) || slices.Contains(calls, resource) {
			return http.StatusForbidden, metav1.StatusReasonForbidden
		}
		return 0, ""
	}
}

// aRun is a run on record that made one object with so many bytes that cannot be packed.
func aRun(id, kind string, state record.State, size int) record.Record {
	noise, random := make([]byte, size), rand.NewChaCha8([32]byte{byte(size), byte(len(state))})
	_, _ = random.Read(noise)
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": kind, "metadata": map[string]any{"name": "x", "namespace": "shop"},
		"data": map[string]any{"noise": base64.StdEncoding.EncodeToString(noise)},
	}}
	w := patch.Write{Ref: manifest.Ref{Kind: kind, Namespace: "shop", Name: "x"}, Action: patch.Created, Manager: "rolloutgate", Sent: o}
	return record.Record{ID: id, Namespace: "shop", State: state, Started: time.Now(), Stages: []record.Stage{{Name: "all", Writes: []patch.Write{w}}}}
}

const (
	small = 100
	large = 2 * smallPart // with base64 and JSON around it, three parts
)

func mustSave(t *testing.T, c *Client, r record.Record) {
	t.Helper()
	if err := c.SaveRecord(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// empty forgets all runs, and one more, as runs do that come later. Nothing may be left.
func (k *keeper) empty(t *testing.T) error {
	t.Helper()
	c := k.client(t)
	mustSave(t, c, aRun("LATER", "ConfigMap", record.Passed, small))
	all, err := c.Records(t.Context(), "shop")
	for _, s := range all {
		err = errors.Join(err, c.ForgetRecord(t.Context(), "shop", s))
	}
	if left := k.names(); err == nil && len(left) > 0 {
		err = fmt.Errorf("%q are left", left)
	}
	return err
}

// TestRecordOfSeveralParts: whenever the process is killed while it writes a record, the record is the one of before or
// the new one, and no part stays for ever.
func TestRecordOfSeveralParts(t *testing.T) {
	for name, sizes := range map[string][2]int{
		"new": {0, large}, "grows": {small, large}, "shrinks": {large, small}, "stays large": {large, large + 1}, "stays small": {small, small},
	} {
		t.Run(name, func(t *testing.T) {
			for _, unanswered := range []bool{false, true} {
				for cut := 1; ; cut++ {
					k := newKeeper()
					c := k.client(t)
					before, after := aRun("RUN", "Secret", record.Running, sizes[0]), aRun("RUN", "Secret", record.Passed, sizes[1])
					if sizes[0] > 0 {
						mustSave(t, c, before)
					} else {
						after.State = record.Running
					}
					k.cutOff(cut, unanswered)
					saved := c.SaveRecord(t.Context(), after)
					k.cutOff(-1, false)
					got, err := k.client(t).LoadRecord(t.Context(), "shop", "RUN")
					switch {
					case sizes[0] == 0 && missing(err) && saved != nil:
					case err != nil:
						t.Fatalf("cut off after %d requests: %v", cut, err)
					case saved == nil && got.State != after.State:
						t.Fatalf("cut off after %d requests: it is saved, and the old one is there", cut)
					}
					if err := k.empty(t); err != nil {
						t.Fatalf("cut off after %d requests: %v", cut, err)
					}
					if !k.cut() {
						if saved != nil {
							t.Fatal(saved)
						}
						break
					}
				}
			}
		})
	}
}

// TestRecordForgottenHalf: whenever the process is killed while it deletes a record, what is left does not read as a
// damaged one, and it goes with the next.
func TestRecordForgottenHalf(t *testing.T) {
	for cut := 1; ; cut++ {
		k := newKeeper()
		c := k.client(t)
		mustSave(t, c, aRun("RUN", "Secret", record.Running, large))
		k.cutOff(cut, false)
		forgotten := c.ForgetRecord(t.Context(), "shop", record.Summary{ID: "RUN"})
		k.cutOff(-1, false)
		if _, err := k.client(t).LoadRecord(t.Context(), "shop", "RUN"); !missing(err) {
			t.Fatalf("cut off after %d requests: %v", cut, err)
		}
		if !k.cut() {
			if left := k.names(); forgotten != nil || len(left) > 0 {
				t.Fatalf("%q are left; %v", left, forgotten)
			}
			return
		}
		if err := k.empty(t); err != nil {
			t.Fatalf("cut off after %d requests: %v", cut, err)
		}
	}
}

// TestForgetUnknown: a process that knows nothing but the id deletes all parts.
func TestForgetUnknown(t *testing.T) {
	k := newKeeper()
	mustSave(t, k.client(t), aRun("RUN", "Secret", record.Running, large))
	if got := len(k.names()); got != 3 {
		t.Fatalf("%d parts", got)
	}
	if err := k.client(t).ForgetRecord(t.Context(), "shop", record.Summary{ID: "RUN"}); err != nil {
		t.Fatal(err)
	}
	if left := k.names(); len(left) > 0 {
		t.Errorf("%q are left", left)
	}
}

// TestStraysOfTheLiving: parts of a record that is just being written are nobody else's to delete.
func TestStraysOfTheLiving(t *testing.T) {
	k := newKeeper()
	k.made = time.Now()
	k.cutOff(2, false) // of three parts
	if err := k.client(t).SaveRecord(t.Context(), aRun("RUN", "Secret", record.Running, large)); err == nil {
		t.Fatal("it was not cut off")
	}
	k.cutOff(-1, false)
	if err := k.empty(t); err == nil || len(k.names()) != 2 {
		t.Errorf("%v; %q are left", err, k.names())
	}
}

// TestMissingPart: a record without one of its parts is damaged; it is not the same as none.
func TestMissingPart(t *testing.T) {
	k := newKeeper()
	mustSave(t, k.client(t), aRun("RUN", "Secret", record.Running, large))
	delete(k.objects, k.names()[1])
	_, err := k.client(t).LoadRecord(t.Context(), "shop", "RUN")
	if f := (*record.FormatError)(nil); !errors.As(err, &f) || missing(err) {
		t.Errorf("error %v", err)
	}
}

// TestRecordChangesWhileRead: whoever reads a record while it is written anew gets the new one.
func TestRecordChangesWhileRead(t *testing.T) {
	k := newKeeper()
	writer := k.client(t)
	mustSave(t, writer, aRun("RUN", "Secret", record.Running, large))
	was := maps.Clone(k.objects)
	mustSave(t, writer, aRun("RUN", "Secret", record.Passed, large+1))
	first, is := "secrets/rolloutgate-run", k.objects["secrets/rolloutgate-run"]
	k.objects[first] = was[first] // what the reader sees at first
	k.refuse = func(call string) (int, metav1.StatusReason) {
		if len(k.asked) > 1 && slices.Equal(k.asked[len(k.asked)-2:], []string{"get secrets", "get secrets"}) {
			k.objects[first] = is
		}
		return 0, ""
	}
	k.calls()
	got, err := k.client(t).LoadRecord(t.Context(), "shop", "RUN")
	if err != nil || got.State != record.Passed {
		t.Errorf("state %q, %v", got.State, err)
	}
}

// TestRecordRequests: what a record costs, by what the account may do. "other" is another process.
func TestRecordRequests(t *testing.T) {
	const inSecrets = "save: create secrets; end: update secrets; records: list secrets; forget: delete secrets"
	for name, c := range map[string]struct {
		kind   string
		refuse []string
		want   string
	}{
		"all":           {"ConfigMap", nil, inSecrets},
		"no ConfigMaps": {"ConfigMap", []string{"configmaps"}, inSecrets},
		"a Secret":      {"Secret", nil, inSecrets},
		"no Secrets": {"ConfigMap", []string{"secrets"},
			"save: create secrets, create configmaps; end: update configmaps; records: list configmaps; forget: delete configmaps"},
		"no Secrets but one": {"Secret", []string{"secrets"}, "save: create secrets; forbidden: create secrets"},
		"nothing":            {"ConfigMap", []string{"secrets", "configmaps"}, "save: create secrets, create configmaps; forbidden: create secrets"},
		"only new Secrets":   {"ConfigMap", []string{"update secrets"}, "save: create secrets; end: update secrets; forbidden: update secrets"},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper()
			k.refuse = forbid(c.refuse...)
			client, ctx := k.client(t), t.Context()
			var did []string
			step := func(name string, err error) bool {
				did = append(did, name+": "+k.calls())
				if apierrors.IsForbidden(err) {
					_, what, _ := strings.Cut(err.Error(), "on record: ")
					did = append(did, "forbidden: "+strings.TrimSuffix(what, ": Forbidden"))
				} else if err != nil {
					t.Error(err)
				}
				return err == nil
			}
			if step("save", client.SaveRecord(ctx, aRun("RUN", c.kind, record.Running, small))) &&
				step("end", client.SaveRecord(ctx, aRun("RUN", c.kind, record.Passed, small))) {
				all, err := client.Records(ctx, "shop")
				if step("records", err); len(all) != 1 || all[0].State != record.Passed {
					t.Errorf("records %+v", all)
				}
				step("forget", client.ForgetRecord(ctx, "shop", record.Summary{ID: "RUN"}))
			}
			if got := strings.Join(did, "; "); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// TestRecordInConfigMap: another process finds it, whether it may use Secrets or not.
func TestRecordInConfigMap(t *testing.T) {
	for _, size := range []int{small, large} {
		for _, refuse := range [][]string{nil, {"secrets"}} {
			k := newKeeper()
			k.refuse = forbid("secrets")
			mustSave(t, k.client(t), aRun("RUN", "ConfigMap", record.Running, size))
			k.refuse = forbid(refuse...)
			other, ctx := k.client(t), t.Context()
			all, err := other.Records(ctx, "shop")
			if err != nil || len(all) != 1 {
				t.Fatalf("%d records, %v", len(all), err)
			}
			r, err := other.LoadRecord(ctx, "shop", "RUN")
			if err != nil {
				t.Fatal(err)
			}
			r.State = record.Undone
			mustSave(t, other, r)
			if all, err = k.client(t).Records(ctx, "shop"); err != nil || len(all) != 1 || all[0].State != record.Undone {
				t.Fatalf("records %+v, %v", all, err)
			}
			for _, name := range k.names() {
				if !strings.HasPrefix(name, "configmaps/") {
					t.Errorf("there is %s", name)
				}
			}
			if err := k.client(t).ForgetRecord(ctx, "shop", all[0]); err != nil || len(k.names()) > 0 {
				t.Errorf("%q are left; %v", k.names(), err)
			}
		}
	}
}

// TestSecretComesLater: a record in a ConfigMap never gets the data of a Secret. It moves, or stays as it is.
func TestSecretComesLater(t *testing.T) {
	for name, c := range map[string]struct {
		refuse []string
		want   []string
		state  record.State
	}{
		"moves": {nil, []string{"secrets/rolloutgate-run"}, record.Passed},
		"stays": {[]string{"secrets"}, []string{"configmaps/rolloutgate-run"}, record.Running},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper()
			k.refuse = forbid("secrets")
			client := k.client(t)
			mustSave(t, client, aRun("RUN", "ConfigMap", record.Running, small))
			k.refuse = forbid(c.refuse...)
			for range 2 {
				if err := client.SaveRecord(t.Context(), aRun("RUN", "Secret", record.Passed, small)); apierrors.IsForbidden(err) != (c.refuse != nil) {
					t.Error(err)
				}
			}
			if got := k.names(); !slices.Equal(got, c.want) {
				t.Errorf("there are %q", got)
			}
			if r, err := client.LoadRecord(t.Context(), "shop", "RUN"); err != nil || r.State != c.state {
				t.Errorf("state %q, %v", r.State, err)
			}
		})
	}
}

// TestRecordsOutOfSight: what the account cannot see is not said to be missing.
func TestRecordsOutOfSight(t *testing.T) {
	for name, c := range map[string]struct {
		refuse []string
		denied bool
	}{
		"none":          {nil, false},
		"no ConfigMaps": {[]string{"configmaps"}, false},
		"no Secrets":    {[]string{"secrets"}, true},
		"neither":       {[]string{"secrets", "configmaps"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKeeper()
			k.refuse = forbid(c.refuse...)
			_, listErr := k.client(t).Records(t.Context(), "shop")
			_, loadErr := k.client(t).LoadRecord(t.Context(), "shop", "RUN")
			if apierrors.IsForbidden(listErr) != c.denied || apierrors.IsForbidden(loadErr) != c.denied || missing(loadErr) == c.denied {
				t.Errorf("listing: %v; loading: %v", listErr, loadErr)
			}
			for _, err := range []error{listErr, loadErr} {
				if c.denied && !strings.Contains(err.Error(), " secrets: ") {
					t.Errorf("error %v", err)
				}
			}
		})
	}
}

// TestQuotaOfSecrets: Secrets that a quota refuses half-way leave nothing behind.
func TestQuotaOfSecrets(t *testing.T) {
	for kind, want := range map[string]int{"ConfigMap": 3, "Secret": 0} {
		k := newKeeper()
		made := 0
		k.refuse = func(call string) (int, metav1.StatusReason) {
			if call == "create secrets" {
				if made++; made > 1 {
					return http.StatusForbidden, metav1.StatusReasonForbidden
				}
			}
			return 0, ""
		}
		err := k.client(t).SaveRecord(t.Context(), aRun("RUN", kind, record.Running, large))
		if apierrors.IsForbidden(err) != (want == 0) || len(k.names()) != want {
			t.Errorf("%s: %v; there are %q", kind, err, k.names())
		}
	}
}

// TestForgedConfigMap: a ConfigMap is no record only because it has the name of one, and none with a Secret in it is ours.
func TestForgedConfigMap(t *testing.T) {
	k := newKeeper()
	mustSave(t, k.client(t), aRun("RUN", "Secret", record.Running, small))
	secret := k.objects["secrets/rolloutgate-run"].(*corev1.Secret)
	for name, labels := range map[string]map[string]string{"with labels": secret.Labels, "without": nil} {
		forged := &corev1.ConfigMap{TypeMeta: metav1.TypeMeta{Kind: "ConfigMap", APIVersion: "v1"}, ObjectMeta: secret.ObjectMeta, BinaryData: secret.Data}
		forged.Labels = labels
		k.objects = map[string]runtime.Object{"configmaps/rolloutgate-run": forged}
		_, err := k.client(t).LoadRecord(t.Context(), "shop", "RUN")
		if f := (*record.FormatError)(nil); !errors.As(err, &f) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOtherPartsAreOurs: a list of parts names no objects but those of the run.
func TestOtherPartsAreOurs(t *testing.T) {
	for _, name := range otherParts("RUN", map[string]string{recordParts: "abc,../database-password,"}) {
		if !strings.HasPrefix(name, "rolloutgate-run-") {
			t.Errorf("name %q", name)
		}
	}
}
