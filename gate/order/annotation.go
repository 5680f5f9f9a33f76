package order

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// annotation is the value of an annotation. One that is no text is an error: YAML makes a number of -5, and the API server
// refuses that.
func annotation(o manifest.Object, key string) (value string, found bool, err error) {
	v, found, _ := unstructured.NestedFieldNoCopy(o.Object, "metadata", "annotations", key)
	if !found {
		return "", false, nil
	}
	value, isText := v.(string)
	if !isText {
		asJSON, _ := json.Marshal(v) // what was read from YAML can always be written
		return "", true, fail(o, key, "put it in quotes", "must be a text, but YAML reads it as %s", wording.Quote(string(asJSON)))
	}
	return value, true, nil
}

// number is the value of an annotation that holds a whole number.
func number(o manifest.Object, key string) (n int, found bool, err error) {
	value, found, err := annotation(o, key)
	if !found || err != nil {
		return 0, found, err
	}
	n, err = strconv.Atoi(value)
	if err != nil {
		return 0, true, fail(o, key, `write a whole number in quotes, such as "-1"`, "is %q, which is no whole number", wording.Quote(value))
	}
	return n, true, nil
}

// list is what an annotation has between its commas.
func list(value string) []string {
	var items []string
	for item := range strings.SplitSeq(value, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

// fail is an error at an annotation. The message goes on after "annotation KEY of OBJECT ".
func fail(o manifest.Object, key, hint, format string, args ...any) error {
	return failAt(o, "metadata.annotations["+key+"]", hint, "annotation %s of %s %s", key, named(o), fmt.Sprintf(format, args...))
}

func failAt(o manifest.Object, path, hint, format string, args ...any) error {
	line, _ := o.Locate(path)
	return &manifest.Error{Path: o.Source.Path, Line: line, Msg: fmt.Sprintf(format, args...), Hint: hint}
}

// named is the name of an object that may not have one yet.
func named(o manifest.Object) string {
	if o.GetName() == "" {
		return strings.ToLower(o.GetKind()) + "/" + o.GetGenerateName()
	}
	return o.Ref().String()
}
