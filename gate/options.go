package gate

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/rolloutgate/rolloutgate/analysis"
	"github.com/rolloutgate/rolloutgate/gate/manifest"
	"github.com/rolloutgate/rolloutgate/gate/readiness"
	"github.com/rolloutgate/rolloutgate/gate/record"
	"github.com/rolloutgate/rolloutgate/gate/rollout"
	"github.com/rolloutgate/rolloutgate/internal/wording"
)

// Annotations of an object that say how a run treats it alone. They win over the config file: who wrote them knew this
// object.
const (
	WaitAnnotation     = "rolloutgate.dev/wait"
	TimeoutAnnotation  = "rolloutgate.dev/timeout"
	UndoAnnotation     = "rolloutgate.dev/undo"
	CriteriaAnnotation = "rolloutgate.dev/criteria"
	ReadyAnnotation    = "rolloutgate.dev/ready"
	FailedAnnotation   = "rolloutgate.dev/failed"
	MessageAnnotation  = "rolloutgate.dev/message"
)

// Annotations of others that say the same. Of kapp's the presence counts (carvel.dev/kapp/docs/latest/apply); Helm never
// deletes what has its policy keep (helm.sh/docs/howto/charts_tips_and_tricks).
const (
	kappDisableWait = "kapp.k14s.io/disable-wait"
	helmPolicy      = "helm.sh/resource-policy"
)

// ObjectRow is an entry of the config file's list of objects: how a run treats those that it matches. A field that is
// empty or nil matches everything, or says nothing.
type ObjectRow struct {
	// Kind is compared without regard to capitals; Name is a pattern in which * stands for anything.
	Kind            string
	Group           *string // empty: the core group
	Name, Namespace string

	Wait, Undo *bool
	Timeout    time.Duration
	Criteria   []string // not nil and empty: none
	Readiness  readiness.Expressions

	File string
	Line int
}

func (row ObjectRow) matches(ref manifest.Ref) bool {
	named, err := path.Match(row.Name, ref.Name)
	return strings.EqualFold(row.Kind, ref.Kind) && (row.Group == nil || *row.Group == ref.Group) &&
		(row.Namespace == "" || row.Namespace == ref.Namespace) && (row.Name == "" || err == nil && named)
}

func (row ObjectRow) place() string { return fmt.Sprintf("%s:%d", row.File, row.Line) }

// options are what was said of one object alone, and where, in words.
type options struct {
	record.Options
	waitBy, timeoutBy, undoBy, criteriaBy, ownBy string
	own                                          *rollout.Own // the expressions, compiled; nil: there are none
}

// optionsOf reads what was said of an object. For each option its own annotation decides, or else the first row that
// matches and has that option. The error is about an annotation.
func optionsOf(rows []ObjectRow, ref manifest.Ref, annotations map[string]string) (options, error) {
	o := options{Options: record.Options{Object: ref}}
	for _, row := range slices.Backward(rows) { // the first one has the last word
		if row.matches(ref) {
			o.follow(row)
		}
	}
	if _, there := annotations[kappDisableWait]; there {
		o.NoWait, o.waitBy = true, annotated(kappDisableWait)
	}
	if annotations[helmPolicy] == "keep" {
		o.KeepCreated = true
	}
	var errs []error
	if e := annotatedReadiness(annotations); e != (readiness.Expressions{}) {
		o.Ready, o.Failed, o.Message, o.ownBy = e.Ready, e.Failed, e.Message, "its annotations"
	}
	if err := o.compile(); err != nil {
		errs = append(errs, err)
	}
	for _, a := range optionAnnotations {
		if text, there := annotations[a.name]; there {
			if err := a.read(&o, text); err != nil {
				errs = append(errs, &annotationError{a.name, err})
			}
		}
	}
	return o, errors.Join(errs...)
}

func (o *options) follow(row ObjectRow) {
	at := row.place()
	if row.Wait != nil {
		o.NoWait, o.waitBy = !*row.Wait, at
	}
	if row.Undo != nil {
		o.NoUndo, o.undoBy = !*row.Undo, at
	}
	if row.Timeout > 0 {
		o.Timeout, o.timeoutBy = row.Timeout, "timeout in "+at
	}
	if row.Criteria != nil {
		o.Criteria, o.criteriaBy = row.Criteria, at
	}
	if e := row.Readiness; e != (readiness.Expressions{}) {
		o.Ready, o.Failed, o.Message, o.ownBy = e.Ready, e.Failed, e.Message, at
	}
}

// annotatedReadiness are the expressions in annotations.
func annotatedReadiness(annotations map[string]string) readiness.Expressions {
	return readiness.Expressions{Ready: annotations[ReadyAnnotation], Failed: annotations[FailedAnnotation], Message: annotations[MessageAnnotation]}
}

// compile makes the expressions ready to judge.
func (o *options) compile() error {
	e := readiness.Expressions{Ready: o.Ready, Failed: o.Failed, Message: o.Message}
	if e == (readiness.Expressions{}) {
		return nil
	}
	own, err := readiness.Compile(e, o.ownBy)
	if err != nil {
		return expressionError(err)
	}
	o.own = own
	return nil
}

// expressionError is a wrong expression as an error about its annotation.
func expressionError(err error) error {
	var e *readiness.Error
	if !errors.As(err, &e) {
		return &annotationError{ReadyAnnotation, err}
	}
	name := map[string]string{"ready": ReadyAnnotation, "failed": FailedAnnotation, "message": MessageAnnotation}[e.Key]
	_, text, _ := strings.Cut(e.Error(), e.Key)
	return &annotationError{name, errors.New(strings.TrimLeft(text, ",: "))}
}

// expressions are those of an object, in words.
func (o options) expressions() string {
	var parts []string
	for _, e := range []struct{ key, text string }{{"ready", o.own.Ready}, {"failed", o.own.Failed}} {
		if e.text != "" {
			parts = append(parts, e.key+": "+wording.Quote(e.text))
		}
	}
	return strings.Join(parts, ", ")
}

// optionAnnotations are our own, and what reads each of them.
var optionAnnotations = []struct {
	name string
	read func(*options, string) error
}{
	{WaitAnnotation, func(o *options, text string) (err error) {
		o.NoWait, err = unlessTrue(text)
		o.waitBy = annotated(WaitAnnotation)
		return err
	}},
	{UndoAnnotation, func(o *options, text string) (err error) {
		o.NoUndo, err = unlessTrue(text)
		o.undoBy = annotated(UndoAnnotation)
		return err
	}},
	{TimeoutAnnotation, func(o *options, text string) error {
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			return fmt.Errorf("%q is not a duration such as 90s or 20m", text)
		}
		o.Timeout, o.timeoutBy = d, annotated(TimeoutAnnotation)
		return nil
	}},
	{CriteriaAnnotation, func(o *options, text string) error {
		o.Criteria, o.criteriaBy = []string{}, annotated(CriteriaAnnotation)
		for name := range strings.SplitSeq(text, ",") {
			if name = strings.TrimSpace(name); name != "" {
				o.Criteria = append(o.Criteria, name)
			}
		}
		return nil
	}},
}

func annotated(name string) string { return "the annotation " + name }

// unlessTrue reads "true" or "false", and returns the opposite.
func unlessTrue(text string) (bool, error) {
	value, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf(`%q is not "true" or "false"`, text)
	}
	return !value, nil
}

// annotationError is an annotation that says nothing.
type annotationError struct {
	name string
	err  error
}

func (e *annotationError) Error() string { return fmt.Sprintf("annotation %s: %v", e.name, e.err) }

// CheckObjects finds what is wrong with the options of objects, in their annotations, before anything is changed. Criteria
// are the names of those that there are.
func CheckObjects(objects []manifest.Object, criteria []string) error {
	var errs []error
	for _, o := range objects {
		said, err := optionsOf(nil, o.Ref(), o.GetAnnotations())
		for _, wrong := range append(each(err), said.unknownCriterion(criteria)) {
			errs = append(errs, atAnnotation(o, wrong))
		}
	}
	return errors.Join(errs...)
}

// CheckExpressions compares the expressions in the annotations of an object with the schema of its kind.
func CheckExpressions(o manifest.Object, schema map[string]any) error {
	var errs []error
	for _, wrong := range readiness.Check(annotatedReadiness(o.GetAnnotations()), schema) {
		errs = append(errs, atAnnotation(o, expressionError(wrong)))
	}
	return errors.Join(errs...)
}

// atAnnotation is an error about an annotation at its place in the manifest; nil for any other.
func atAnnotation(o manifest.Object, err error) error {
	var a *annotationError
	if !errors.As(err, &a) {
		return nil
	}
	line, _ := o.Locate("metadata.annotations[" + a.name + "]")
	msg, hint, _ := strings.Cut(a.err.Error(), "\n  hint: ")
	return &manifest.Error{Path: o.Source.Path, Line: line, Msg: fmt.Sprintf("annotation %s of %s: %s", a.name, o.Ref(), msg), Hint: hint}
}

// HasExpressions tells whether expressions say how far an object is, by its annotations or by one of the rows.
func HasExpressions(rows []ObjectRow, ref manifest.Ref, annotations map[string]string) bool {
	o, _ := optionsOf(rows, ref, annotations) // what is wrong is said where objects are checked
	return o.own != nil
}

// each are the errors that were joined.
func each(err error) []error {
	if joined, several := err.(interface{ Unwrap() []error }); several {
		return joined.Unwrap()
	}
	return []error{err}
}

// unknownCriterion is an error when one is named that there is not.
func (o options) unknownCriterion(known []string) error {
	for _, name := range o.Criteria {
		if err := UnknownCriterion(name, known); err != nil {
			return &annotationError{CriteriaAnnotation, err}
		}
	}
	return nil
}

// UnknownCriterion is the error about a criterion that there is not, with a hint; nil for one that there is.
func UnknownCriterion(name string, known []string) error {
	if slices.Contains(known, name) {
		return nil
	}
	hint := "there are no criteria"
	if len(known) > 0 {
		hint = "there are " + strings.Join(known, ", ")
	}
	if near := analysis.Closest(name, known); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	return fmt.Errorf("there is no criterion %q\n  hint: %s", name, hint)
}

// Unmatched are the rows that match none of some objects.
func Unmatched(rows []ObjectRow, refs []manifest.Ref) []ObjectRow {
	return slices.DeleteFunc(slices.Clone(rows), func(row ObjectRow) bool { return slices.ContainsFunc(refs, row.matches) })
}

// annotationsOf are those of the first object that is there.
func annotationsOf(objects ...*unstructured.Unstructured) map[string]string {
	for _, o := range objects {
		if o != nil {
			return o.GetAnnotations()
		}
	}
	return nil
}
