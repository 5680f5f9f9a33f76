package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// one is an API server with one object or none.
type one struct {
	mu      sync.Mutex
	object  *unstructured.Unstructured
	version int
	holds   bool // a deleted object stays, because of a finalizer
	log     []string
	// fault is asked before each request that changes something: a code other than 0 refuses it, after it was carried out if
	// done says so.
	fault func(method string) (code int, reason metav1.StatusReason, done bool)
}

func (o *one) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var fault int
	var reason metav1.StatusReason
	var done bool
	if r.Method != http.MethodGet {
		o.log = append(o.log, r.Method)
		if o.fault != nil {
			fault, reason, done = o.fault(r.Method)
		}
	}
	var code int
	var answer any
	if fault == 0 || done {
		code, answer = o.carryOut(r)
	}
	if fault != 0 {
		code, answer = refusal(fault, reason, r.Method)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(answer)
}

func (o *one) carryOut(r *http.Request) (int, any) {
	if o.object == nil && r.Method != http.MethodPost {
		return refusal(http.StatusNotFound, metav1.StatusReasonNotFound, "object")
	}
	switch r.Method {
	case http.MethodPost:
		if o.object != nil {
			return refusal(http.StatusConflict, metav1.StatusReasonAlreadyExists, "object")
		}
		u := &unstructured.Unstructured{}
		if err := json.NewDecoder(r.Body).Decode(&u.Object); err != nil {
			return refusal(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		}
		now := metav1.Now().Rfc3339Copy()
		u.SetCreationTimestamp(now)
		u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: r.URL.Query().Get("fieldManager"), Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &now}})
		o.put(u, true)
	case http.MethodDelete:
		var options metav1.DeleteOptions
		if err := json.NewDecoder(r.Body).Decode(&options); err != nil {
			return refusal(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		}
		if p := options.Preconditions; p == nil || *p.UID != o.object.GetUID() || *p.ResourceVersion != o.object.GetResourceVersion() {
			return refusal(http.StatusConflict, metav1.StatusReasonConflict, "object")
		}
		if !o.holds {
			o.object = nil
			return http.StatusOK, metav1.Status{Status: "Success"}
		}
		now := metav1.Now()
		o.object.SetDeletionTimestamp(&now)
	case http.MethodPatch:
		var ops []struct {
			Path  string          `json:"path"`
			Value json.RawMessage `json:"value"`
		}
		if err := json.NewDecoder(r.Body).Decode(&ops); err != nil {
			return refusal(http.StatusBadRequest, metav1.StatusReasonBadRequest, err.Error())
		}
		var entries []metav1.ManagedFieldsEntry
		if err := json.Unmarshal(ops[0].Value, &entries); err != nil || ops[0].Path != "/metadata/managedFields" {
			return refusal(http.StatusBadRequest, metav1.StatusReasonBadRequest, "patch")
		}
		u := o.object.DeepCopy()
		u.SetManagedFields(entries)
		o.put(u, false)
	}
	return http.StatusOK, o.object.Object
}

func (o *one) put(u *unstructured.Unstructured, anew bool) {
	o.version++
	if u.SetResourceVersion(fmt.Sprint(o.version)); anew {
		u.SetUID(types.UID(fmt.Sprintf("uid-%d", o.version)))
	}
	o.object = u
}

// client is one, and a ConfigMap that a run has applied, with the write that deletes it.
func (o *one) client(t *testing.T) (*Client, patch.Write) {
	t.Helper()
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	c, err := New(&rest.Config{Host: server.URL}, Options{Namespace: "shop"})
	if err != nil {
		t.Fatal(err)
	}
	at := metav1.NewTime(time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC))
	u := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "conf", "namespace": "shop"}, "data": map[string]any{"a": "b"},
	}}
	u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "rolloutgate", Operation: metav1.ManagedFieldsOperationApply, APIVersion: "v1", Time: &at, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(`{"f:data":{"f:a":{}}}`)}})
	o.put(u, true)
	return c, patch.Write{
		Ref: manifest.Object{Unstructured: u}.Ref(), Resource: manifest.Resource{Version: "v1", Resource: "configmaps", Namespaced: true},
		Action: patch.Pruned, Manager: "rolloutgate", Before: u.DeepCopy(), At: time.Now(),
	}
}

// change is somebody else's.
func (o *one) change(do func(u *unstructured.Unstructured), anew bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	u := o.object.DeepCopy()
	do(u)
	o.put(u, anew)
}

func TestPruneOne(t *testing.T) {
	lost := func(done bool) func(o *one) {
		return func(o *one) {
			o.fault = func(string) (int, metav1.StatusReason, bool) {
				o.fault = nil
				return http.StatusInternalServerError, metav1.StatusReasonInternalError, done
			}
		}
	}
	status := func(u *unstructured.Unstructured) { u.Object["status"] = map[string]any{"seen": true} }
	for name, c := range map[string]struct {
		before func(o *one)
		log    string
		says   string // the error; empty: there is none
		gone   bool
	}{
		"as it was planned":      {func(*one) {}, "DELETE", "", true},
		"its status has changed": {func(o *one) { o.change(status, false) }, "DELETE", "", true},
		"the answer is lost":     {lost(true), "DELETE", "", true},
		"the request is lost":    {lost(false), "DELETE DELETE", "", true},
		"a controller writes in between": {func(o *one) {
			o.fault = func(string) (int, metav1.StatusReason, bool) {
				o.fault = nil
				o.object.SetResourceVersion("99")
				return 0, "", false
			}
		}, "DELETE DELETE", "", true},
		"others have changed it": {func(o *one) {
			o.change(func(u *unstructured.Unstructured) { u.Object["data"] = map[string]any{"a": "c"} }, false)
		}, "", "configmap/conf stays: data.a was changed by", false},
		"others have made it anew": {func(o *one) { o.change(func(*unstructured.Unstructured) {}, true) }, "", "it was deleted and created again", false},
		"others have deleted it":   {func(o *one) { o.object = nil }, "", "configmap/conf was deleted by somebody else", false},
		"others are deleting it": {func(o *one) {
			o.change(func(u *unstructured.Unstructured) { now := metav1.Now(); u.SetDeletionTimestamp(&now) }, false)
		}, "", "configmap/conf was deleted by somebody else", false},
		"it is not allowed": {func(o *one) {
			o.fault = func(string) (int, metav1.StatusReason, bool) {
				return http.StatusForbidden, metav1.StatusReasonForbidden, false
			}
		}, "DELETE", "Forbidden", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &one{}
			client, w := o.client(t)
			c.before(o)
			err := client.Write(t.Context(), &w)
			if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) || (w.Written != nil) != c.gone {
				t.Errorf("%v, written %t", err, w.Written != nil)
			}
			if got := strings.Join(o.log, " "); got != c.log {
				t.Errorf("it sent %s, want %s", got, c.log)
			}
		})
	}
}

// TestPruneHolds: what waits for a finalizer counts as deleted, and says so.
func TestPruneHolds(t *testing.T) {
	t.Parallel()
	o := &one{holds: true}
	client, w := o.client(t)
	o.change(func(u *unstructured.Unstructured) { u.SetFinalizers([]string{"example.com/slow"}) }, false)
	var held *patch.HeldError
	if err := client.Write(t.Context(), &w); !errors.As(err, &held) || !slices.Equal(held.Finalizers, []string{"example.com/slow"}) || w.Written == nil {
		t.Fatalf("%v, written %t", err, w.Written != nil)
	}
	traced := w
	if traced.Written = nil; client.Trace(t.Context(), &traced) != nil || traced.Written == nil {
		t.Error("nobody finds out that it was deleted")
	}
	// An undo waits for it, for as long as it has time.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if u := client.Undo(ctx, w); !errors.As(u.Err, &held) {
		t.Errorf("%s %v", u.Action, u.Err)
	}
	o.mu.Lock()
	o.object = nil
	o.mu.Unlock()
	if u := client.Undo(t.Context(), w); u.Err != nil || u.Action != patch.Recreated {
		t.Errorf("%s %v", u.Action, u.Err)
	}
}

// TestRecreate: what was deleted comes back with its owners, whatever became of an earlier try; what is somebody else's stays.
func TestRecreate(t *testing.T) {
	pruned := func(o *one) { o.object = nil }
	halfBack := func(o *one) { // created, and the process died
		o.change(func(u *unstructured.Unstructured) {
			now := metav1.Now()
			u.SetManagedFields([]metav1.ManagedFieldsEntry{{Manager: "rolloutgate-undo", Operation: metav1.ManagedFieldsOperationUpdate, APIVersion: "v1", Time: &now}})
		}, true)
	}
	for name, c := range map[string]struct {
		before func(o *one)
		base   *patch.Base
		action patch.UndoAction
		log    string
	}{
		"deleted":           {pruned, nil, patch.Recreated, "POST PATCH"},
		"not deleted":       {func(*one) {}, nil, patch.NotWritten, ""},
		"half of it back":   {halfBack, nil, patch.Recreated, "PATCH"},
		"all of it back":    {func(o *one) { o.change(func(*unstructured.Unstructured) {}, true) }, nil, patch.Recreated, ""},
		"made by somebody":  {func(o *one) { o.change(func(u *unstructured.Unstructured) { u.SetManagedFields(nil) }, true) }, nil, patch.Left, ""},
		"nothing was there": {pruned, &patch.Base{}, patch.Deleted, ""},
		"the answer gets lost": {func(o *one) {
			pruned(o)
			o.fault = func(string) (int, metav1.StatusReason, bool) {
				o.fault = nil
				return 500, metav1.StatusReasonInternalError, true
			}
		}, nil, patch.Recreated, "POST PATCH"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := &one{}
			client, w := o.client(t)
			w.Written, w.Base = w.Before, c.base
			c.before(o)
			u := client.Undo(t.Context(), w)
			if u.Err != nil || u.Action != c.action {
				t.Errorf("%s %v, want %s", u.Action, u.Err, c.action)
			}
			if got := strings.Join(o.log, " "); got != c.log {
				t.Errorf("it sent %s, want %s", got, c.log)
			}
			if u.Action != patch.Recreated {
				return
			}
			if o.object.GetUID() == w.Before.GetUID() || !patch.SameOwners(o.object.GetManagedFields(), w.Before.GetManagedFields()) || !patch.SameAuthored(o.object, w.Before) {
				t.Errorf("it is back as %v", o.object.Object)
			}
		})
	}
}
