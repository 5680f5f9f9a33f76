package order

import (
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// kapp's annotations, each also with a suffix: change-rule.istio. Source of all of this file: carvel-dev/kapp,
// pkg/kapp/diffgraph.
const (
	changeGroup = "kapp.k14s.io/change-group"
	changeRule  = "kapp.k14s.io/change-rule"
	// builtIn are groups that kapp puts objects into by itself.
	builtIn = "change-groups.kapp.k14s.io/"
)

// rule is a change rule about writing: the object is written after, or before, all of a group.
type rule struct {
	key, text string // the annotation
	after     bool
	group     string
}

// rulesOf reads the change rules of an object. Those that say something about deleting are left alone, for a run deletes
// nothing that kapp would.
func rulesOf(o manifest.Object) ([]rule, error) {
	var rules []rule
	for _, key := range keys(o, changeRule) {
		value, _, err := annotation(o, key)
		if err != nil {
			return nil, err
		}
		words := strings.Fields(value)
		if len(words) != 4 || !oneOf(words[0], "upsert", "delete") || !oneOf(words[1], "after", "before") || !oneOf(words[2], "upserting", "deleting") {
			return nil, fail(o, key, `write "upsert after upserting GROUP" or "upsert before upserting GROUP"`,
				"is %q, which is no change rule", wording.Quote(value))
		}
		if words[0] == "delete" || words[2] == "deleting" {
			continue
		}
		if strings.HasPrefix(words[3], builtIn) {
			return nil, fail(o, key, "give the objects a "+changeGroup+" of your own, and name that one",
				"names the group %s, into which kapp itself puts objects", wording.Quote(words[3]))
		}
		if err := checkGroup(o, key, words[3]); err != nil {
			return nil, err
		}
		rules = append(rules, rule{key: key, text: strings.Join(words, " "), after: words[1] == "after", group: words[3]})
	}
	return rules, nil
}

// groupsOf are the change groups that an object is in.
func groupsOf(o manifest.Object) ([]string, error) {
	var groups []string
	for _, key := range keys(o, changeGroup) {
		value, _, err := annotation(o, key)
		if err == nil {
			err = checkGroup(o, key, value)
		}
		if err != nil {
			return nil, err
		}
		if !slices.Contains(groups, value) {
			groups = append(groups, value)
		}
	}
	return groups, nil
}

// checkGroup refuses what is no name of a group. kapp replaces {name} and the like in it.
func checkGroup(o manifest.Object, key, group string) error {
	if strings.Contains(group, "{") {
		return fail(o, key, "write the name out", "has a placeholder (%s), and those are not replaced here", wording.Quote(group))
	}
	if problems := validation.IsQualifiedName(group); len(problems) > 0 {
		return fail(o, key, "name it like a label: example.com/migrations", "names the group %q: %s", wording.Quote(group), problems[0])
	}
	return nil
}

// keys are an object's annotations of that name, with a suffix or without, in order.
func keys(o manifest.Object, name string) []string {
	all, _, _ := unstructured.NestedFieldNoCopy(o.Object, "metadata", "annotations")
	annotations, _ := all.(map[string]any)
	var found []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if key == name || strings.HasPrefix(key, name+".") {
			found = append(found, key)
		}
	}
	return found
}

func oneOf(word string, words ...string) bool { return slices.Contains(words, word) }
