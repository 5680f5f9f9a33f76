package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/jsonpath"

	"github.com/rolloutgate/rolloutgate/sandbox/harness/client"
)

// check is something that has to hold: about one object of the case's namespace, or about what rolloutgate has told.
type check struct {
	Of      string  `json:"of"`      // KIND/NAME, or RESOURCE.VERSION.GROUP/NAME
	Path    string  `json:"path"`    // JSONPath as kubectl has it; a missing key is an empty text
	Is      *string `json:"is"`      // the text there
	Not     *string `json:"not"`     // or the text that must not be there
	AtLeast *int    `json:"atLeast"` // or the smallest number
	Absent  bool    `json:"absent"`  // or: there is no such object

	OrReport string `json:"orReport"` // saying this is as good
	Report   string `json:"report"`   // instead of an object: what rolloutgate has to say
	After    []int  `json:"after"`    // only after these exit codes
}

func (c check) check() error {
	conditions := 0
	for _, set := range []bool{c.Is != nil, c.Not != nil, c.AtLeast != nil, c.Absent, c.Report != ""} {
		if set {
			conditions++
		}
	}
	about := c.Of != ""
	switch {
	case conditions != 1:
		return errors.New("a check has exactly one of is, not, atLeast, absent and report")
	case about == (c.Report != ""):
		return errors.New("a check is about an object or about the report")
	case about && !c.Absent && c.Path == "":
		return fmt.Errorf("the check of %s has no path", c.Of)
	}
	if about {
		if _, _, ok := resourceOf(c.Of); !ok {
			return fmt.Errorf("%q is not KIND/NAME of a kind that the harness knows", c.Of)
		}
	}
	if _, err := c.parsed(); err != nil {
		return fmt.Errorf("the check of %s: %w", c.Of, err)
	}
	return nil
}

// resourceOf reads KIND/NAME.
func resourceOf(of string) (resource schema.GroupVersionResource, name string, ok bool) {
	kind, name, ok := strings.Cut(of, "/")
	if known := client.Resources[kind]; known.Resource != "" {
		return known, name, ok && name != ""
	}
	if custom, _ := schema.ParseResourceArg(kind); custom != nil {
		return *custom, name, ok && name != ""
	}
	return resource, name, false
}

func (c check) parsed() (*jsonpath.JSONPath, error) {
	path := jsonpath.New("path").AllowMissingKeys(true)
	return path, path.Parse(c.Path)
}

// holds compares an object, nil for none, with what the check asks for.
func (c check) holds(object *unstructured.Unstructured) error {
	if c.Absent {
		if object != nil {
			return fmt.Errorf("there is a %s", c.Of)
		}
		return nil
	}
	if object == nil {
		return fmt.Errorf("there is no %s", c.Of)
	}
	path, err := c.parsed()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := path.Execute(&text, object.Object); err != nil {
		return fmt.Errorf("reading %s of %s: %w", c.Path, c.Of, err)
	}
	got := text.String()
	switch {
	case c.Is != nil && got != *c.Is:
		return fmt.Errorf("%s of %s is %q, not %q", c.Path, c.Of, got, *c.Is)
	case c.Not != nil && got == *c.Not:
		return fmt.Errorf("%s of %s is %q", c.Path, c.Of, got)
	case c.AtLeast != nil:
		if n, err := strconv.Atoi(got); err != nil || n < *c.AtLeast {
			return fmt.Errorf("%s of %s is %q, less than %d", c.Path, c.Of, got, *c.AtLeast)
		}
	}
	return nil
}

// read returns the object of a check, nil when there is none.
func (t *trial) read(ctx context.Context, of string) (*unstructured.Unstructured, error) {
	resource, name, _ := resourceOf(of)
	object, err := t.cluster.Dynamic.Resource(resource).Namespace(t.testCase.name).Get(ctx, name, v1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return object, err
}

// inTheEnd says what does not hold after a run that ended with an exit code and told this.
func (t *trial) inTheEnd(ctx context.Context, exit int, told string) ([]string, error) {
	var wrong []string
	for _, c := range t.testCase.script.Checks {
		if len(c.After) > 0 && !slices.Contains(c.After, exit) {
			continue
		}
		if c.Report != "" {
			if !strings.Contains(told, c.Report) {
				wrong = append(wrong, fmt.Sprintf("it does not say %q", c.Report))
			}
			continue
		}
		object, err := t.read(ctx, c.Of)
		if err != nil {
			return nil, fmt.Errorf("checking %s: %w", c.Of, err)
		}
		if err := c.holds(object); err != nil && (c.OrReport == "" || !strings.Contains(told, c.OrReport)) {
			wrong = append(wrong, err.Error())
		}
	}
	for _, secret := range t.testCase.Never {
		if strings.Contains(told, secret) {
			wrong = append(wrong, fmt.Sprintf("it says %q", secret))
		}
	}
	return wrong, nil
}
