package cluster

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/rolloutgate/rolloutgate/gate/patch"
)

// schemaStore keeps the types of custom kinds that were read, by group and version.
type schemaStore struct {
	mu    sync.Mutex
	types map[schema.GroupVersion]patch.Types
	read  map[schema.GroupVersion]time.Time
}

// rereadSchemas is after how long a document is read again in which a kind was missing: one that is new comes into it late.
const rereadSchemas = time.Second

// schemas are the types of an object's kind: nil for the kinds that Kubernetes brings, which gate/patch knows, and when
// there are none to be had; lists are then compared as a whole. Only the document of the kind's own group is read: that
// of everything is several megabytes.
func (c *Client) schemas(ctx context.Context, u *unstructured.Unstructured) patch.Types {
	if scheme.Scheme.Recognizes(u.GroupVersionKind()) {
		return nil
	}
	gv := u.GroupVersionKind().GroupVersion()
	c.known.mu.Lock()
	defer c.known.mu.Unlock()
	if types, ok := c.known.types[gv]; ok && (patch.Knows(types, u) || time.Since(c.known.read[gv]) < rereadSchemas) {
		return types
	}
	data, err := c.typed.Discovery().RESTClient().Get().AbsPath("/openapi/v3/apis/"+gv.String()).SetHeader("Accept", "application/json").DoRaw(ctx)
	if err != nil {
		return nil
	}
	var document struct {
		Components struct {
			Schemas map[string]*spec.Schema `json:"schemas"`
		} `json:"components"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return nil
	}
	types, err := patch.OpenAPI(document.Components.Schemas)
	if err != nil {
		return nil
	}
	if c.known.types == nil {
		c.known.types, c.known.read = map[schema.GroupVersion]patch.Types{}, map[schema.GroupVersion]time.Time{}
	}
	c.known.types[gv], c.known.read[gv] = types, time.Now()
	return types
}
