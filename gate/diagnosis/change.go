package diagnosis

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
)

// Change is one field of the pod template that this rollout changed. A rollout that fails usually fails by something
// that it changed, so changes stand next to the cause, and a cause whose field changed comes first.
type Change struct {
	Path string `json:"path"` // spec.template.spec.containers[name=app].image
	// Before and After are the values as YAML would print them; both are empty where a value may be a secret (the value
	// of an environment variable, an annotation). A field that was added has no Before, one that was removed no After.
	Before string `json:"before,omitempty"`
	After  string `json:"after,omitempty"`
}

// Changed is another object that the same run changed, by the keys of its data; values are never kept.
type Changed struct {
	Object manifest.Ref
	Keys   []string // sorted; of data, binaryData and stringData
}

// String is the change in a few words: "resources.limits.memory: 512Mi → 64Mi".
func (c Change) String() string {
	name := strings.TrimPrefix(c.Path, "spec.template.spec.")
	if i := strings.LastIndex(name, "ontainers["); i >= 0 {
		if _, field, ok := strings.Cut(name[i:], "]."); ok {
			name = field
		}
	}
	switch {
	case c.Before == "" && c.After == "":
		return name + " changed"
	case c.Before == "":
		return strings.TrimSuffix(name+" added: "+c.After, ": …")
	case c.After == "":
		return strings.TrimSuffix(name+" removed: "+c.Before, ": …")
	}
	return name + ": " + c.Before + " → " + c.After
}

// differences lists the fields in which two pod templates differ, sorted by path. prefix is the path of the template. What
// was added or removed with everything below it is one change.
func differences(before, after *corev1.PodTemplateSpec, prefix string) []Change {
	if before == nil || after == nil {
		return nil
	}
	var changes []Change
	compare(prefix, tree(before), tree(after), func(c Change) {
		switch {
		case strings.HasSuffix(c.Path, ".creationTimestamp") || sameQuantity(c.Before, c.After):
			return
		case mayBeSecret(c.Path):
			c.Before, c.After = "", ""
		}
		changes = append(changes, c)
	})
	slices.SortFunc(changes, func(a, b Change) int { return strings.Compare(a.Path, b.Path) })
	return changes
}

// tree is an object as JSON has it.
func tree(o any) (t any) {
	if data, err := json.Marshal(o); err == nil {
		_ = json.Unmarshal(data, &t)
	}
	return t
}

// compare tells of every difference below a path.
func compare(path string, a, b any, tell func(Change)) {
	was, wasTree := branches(a)
	is, isTree := branches(b)
	if !wasTree || !isTree {
		if before, after := words(a), words(b); before != after {
			tell(Change{Path: path, Before: before, After: after})
		}
		return
	}
	for key, value := range is {
		if _, known := was[key]; !known {
			each(path+key, value, func(path, text string) { tell(Change{Path: path, After: text}) })
		}
	}
	for key, value := range was {
		if other, still := is[key]; still {
			compare(path+key, value, other, tell)
		} else {
			each(path+key, value, func(path, text string) { tell(Change{Path: path, Before: text}) })
		}
	}
}

// each tells of something that is there on one side only: of a list each element, because their names say more.
func each(path string, value any, tell func(path, text string)) {
	list, ok := value.([]any)
	if _, flat := plain(list); !ok || flat {
		tell(path, cmp.Or(words(value), "…"))
		return
	}
	for i, v := range list {
		tell(path+"["+element(i, v)+"]", cmp.Or(words(v), "…"))
	}
}

// branches are the parts of an object, or of a list of objects, by the end of their path.
func branches(v any) (parts map[string]any, ok bool) {
	switch v := v.(type) {
	case map[string]any:
		parts = make(map[string]any, len(v))
		for key, value := range v {
			parts["."+key] = value
		}
		return parts, true
	case []any:
		if _, flat := plain(v); flat && len(v) > 0 {
			return nil, false
		}
		parts = make(map[string]any, len(v))
		for i, value := range v {
			parts["["+element(i, value)+"]"] = value
		}
		return parts, true
	}
	return nil, false
}

// words print a value that is no object; those of an object are empty.
func words(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return ""
	case []any:
		text, _ := plain(v)
		return quote(text)
	case nil:
		return ""
	}
	return quote(fmt.Sprint(v))
}

// mayBeSecret: people write secrets into the values of environment variables and into annotations.
func mayBeSecret(path string) bool {
	return strings.Contains(path, ".env[") || strings.Contains(path, ".annotations")
}

func sameQuantity(a, b string) bool {
	x, errX := resource.ParseQuantity(a)
	y, errY := resource.ParseQuantity(b)
	return errX == nil && errY == nil && x.Cmp(y) == 0
}

// plain prints a list of words or numbers.
func plain(list []any) (string, bool) {
	words := make([]string, len(list))
	for i, v := range list {
		switch v := v.(type) {
		case map[string]any, []any:
			return "", false
		case string:
			words[i] = strconv.Quote(v)
		default:
			words[i] = fmt.Sprint(v)
		}
	}
	return "[" + strings.Join(words, ", ") + "]", true
}

// element is the selector of a list's element: its name where it has one, as merge keys do it.
func element(i int, v any) string {
	if m, ok := v.(map[string]any); ok {
		for _, key := range []string{"name", "mountPath", "containerPort", "key", "topologyKey"} {
			if name, ok := m[key]; ok {
				return key + "=" + fmt.Sprint(name)
			}
		}
	}
	return strconv.Itoa(i)
}

// relate puts the changes of this rollout next to the findings that they may have caused.
func (s *facts) relate(found []Finding) {
	if !slices.ContainsFunc(found, Finding.Blames) {
		return // a rollout that is well is looked at often
	}
	s.tie(found, s.changes())
}

// changes are the differences from the previous template to the new one, computed when somebody first asks.
func (s *facts) changes() []Change {
	if !s.compared {
		s.compared, s.differences = true, differences(s.previous, s.template, strings.TrimSuffix(s.podPath, ".spec"))
	}
	return s.differences
}

func (s *facts) tie(found []Finding, changes []Change) {
	for i := range found {
		f := &found[i]
		if !f.Blames() || f.FieldPath == "" {
			continue
		}
		// A finding about a whole container, or all of them, is near every change and explained by none.
		every := strings.HasSuffix(f.FieldPath, "ontainers")
		whole := every || strings.HasSuffix(f.FieldPath, "]") && strings.Contains(f.FieldPath, "ontainers[name=")
		for _, c := range changes {
			blamed := within(c.Path, f.FieldPath) || within(f.FieldPath, unnamed(c.Path))
			if every {
				blamed = blamed && strings.Contains(c.Path, "].resources")
			}
			image := f.Container != "" && strings.HasSuffix(c.Path, "ontainers[name="+f.Container+"].image")
			if blamed || image {
				f.Changes = append(f.Changes, c)
			}
			f.changed = f.changed || blamed && !whole
		}
		if f.changed && f.Confidence == Suspected {
			f.Confidence = Likely
		}
		if len(f.Changes) > 0 {
			texts := make([]string, len(f.Changes))
			for i, c := range f.Changes {
				texts[i] = c.String()
			}
			f.Evidence = append(f.Evidence, Proof{Type: "diff", Text: "changed in this rollout: " + list(texts), Ref: s.w.Ref.String()})
		}
		if whole {
			f.Evidence = append(f.Evidence, s.configChanges(f.Container)...)
		}
	}
}

// configChanges tells of ConfigMaps and Secrets that the same run changed and that a container reads.
func (s *facts) configChanges(name string) []Proof {
	var proofs []Proof
	for _, c := range s.Changed {
		if len(c.Keys) > 0 && s.template != nil && reads(s.template.Spec, name, c.Object) {
			proofs = append(proofs, Proof{Type: "diff", Text: fmt.Sprintf("changed in this run: %s, %s %s", c.Object, noun(len(c.Keys), "key"), list(c.Keys)), Ref: c.Object.String()})
		}
	}
	return proofs
}

// unnamed is the path of the list around an element that has no name: a field path gives such an element by its number.
func unnamed(path string) string {
	if i := strings.LastIndexByte(path, '['); i > 0 && strings.HasSuffix(path, "]") && !strings.HasPrefix(path[i:], "[name=") {
		return path[:i]
	}
	return path
}

// within reports whether a path is another one or lies below it.
func within(path, above string) bool {
	rest, ok := strings.CutPrefix(path, above)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// reads reports whether a container takes environment or files from a ConfigMap or Secret.
func reads(pod corev1.PodSpec, name string, ref manifest.Ref) bool {
	config := ref.Kind == "ConfigMap"
	named := func(configName, secretName string) bool {
		return config && configName == ref.Name || ref.Kind == "Secret" && secretName == ref.Name
	}
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		if c.Name != name {
			continue
		}
		for _, e := range c.EnvFrom {
			if e.ConfigMapRef != nil && named(e.ConfigMapRef.Name, "") || e.SecretRef != nil && named("", e.SecretRef.Name) {
				return true
			}
		}
		for _, e := range c.Env {
			if from := e.ValueFrom; from != nil && (from.ConfigMapKeyRef != nil && named(from.ConfigMapKeyRef.Name, "") || from.SecretKeyRef != nil && named("", from.SecretKeyRef.Name)) {
				return true
			}
		}
		for _, m := range c.VolumeMounts {
			for _, v := range pod.Volumes {
				if v.Name == m.Name && (v.ConfigMap != nil && named(v.ConfigMap.Name, "") || v.Secret != nil && named("", v.Secret.SecretName)) {
					return true
				}
			}
		}
	}
	return false
}
