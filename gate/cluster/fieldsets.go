package cluster

import (
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// fieldSets keeps one of each set of fields that managers own. It is half of what an object holds, and the hundreds of objects
// of a release own the same, before a write, after it and as it was tried.
type fieldSets struct {
	mu    sync.Mutex
	known map[string]map[string]any // by its JSON
}

// share has an object use the sets that are known already. They are never changed in place: owners are replaced as a whole.
func (s *fieldSets) share(u *unstructured.Unstructured) {
	if u == nil {
		return
	}
	metadata, _ := u.Object["metadata"].(map[string]any)
	entries, _ := metadata["managedFields"].([]any)
	for _, e := range entries {
		entry, _ := e.(map[string]any)
		fields, _ := entry["fieldsV1"].(map[string]any)
		text, err := json.Marshal(fields)
		if len(fields) == 0 || err != nil {
			continue
		}
		entry["fieldsV1"] = s.one(string(text), fields)
	}
}

func (s *fieldSets) one(text string, fields map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.known == nil {
		s.known = map[string]map[string]any{}
	}
	if known := s.known[text]; known != nil {
		return known
	}
	s.known[text] = fields
	return fields
}
