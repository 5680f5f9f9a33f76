package messages

import (
	"regexp"
	"strings"
)

var (
	notDeclared  = regexp.MustCompile(`(?:([^\s:]+): )?field not declared in schema`)
	unknownField = regexp.MustCompile(`unknown field "([^"]+)"`)
	typedPatch   = regexp.MustCompile(`failed to create typed (?:patch|live|new) object \([^)]*\): (?:errors:\s*)?\.?([^\s:]+): ([^\n]+)`)
	mismatched   = regexp.MustCompile("`?selector`? does not match template `?labels`?")
	immutable    = regexp.MustCompile(`(?:is|are) immutable|may not change once set|updates to statefulset spec for fields other than|pod updates may not change fields other than|cannot change roleRef|updates to (?:parameters|provisioner|reclaimPolicy) are forbidden`)
	tooLarge     = regexp.MustCompile(`request is too large|larger than max|must have at most|may not be more than (?:262144|1048576) bytes`)
	allocation   = regexp.MustCompile(`provided (port|IP) is (already allocated|not in the valid range)|provided range is not`)
	conflictWith = regexp.MustCompile(`conflict with "([^"]+)"`)
	notServed    = regexp.MustCompile(`no matches for kind|could not find the requested resource|the server doesn't have a resource type`)
	setElsewhere = regexp.MustCompile(`\[(?:name|containerPort)="?([^"\]]+)"?[^\]]*\]`)
	// dump is how the API server prints a whole Go value into a message: Invalid value: core.PodTemplateSpec{…}: reason.
	dump = regexp.MustCompile(`(?s)Invalid value: (?:&?[\w.\[\]*]+\{.*\}|\{.*\}|map\[.*\]|"[^"]{80,}"): `)
)

// UnknownField is the field that the kind does not have, in the words of a server-side apply (structured-merge-diff) or
// of strict decoding; empty when a text says so without a name.
func UnknownField(text string) (field string, ok bool) {
	if m := notDeclared.FindStringSubmatch(text); m != nil {
		return FieldPath(strings.Trim(m[1], ".")), true
	}
	if m := unknownField.FindStringSubmatch(text); m != nil {
		return FieldPath(m[1]), true
	}
	return "", false
}

// WrongType is the field whose value has the wrong type, or stands twice in a list, and what is wrong with it, in the
// words of a server-side apply (structured-merge-diff). They go on with the value that was sent, which is left out; the
// reason is empty when it holds a value itself.
func WrongType(text string) (field, reason string, ok bool) {
	m := typedPatch.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	reason, _, _ = strings.Cut(m[2], ", got")
	if strings.ContainsAny(reason, "{&") {
		reason = ""
	}
	return FieldPath(m[1]), reason, true
}

// SaysSelectorMismatch reports whether a workload's selector does not select the pods of its own template
// (pkg/apis/apps/validation).
func SaysSelectorMismatch(text string) bool { return mismatched.MatchString(text) }

// SaysImmutable reports whether a field was changed that is fixed once the object exists (pkg/apis/*/validation, and the
// rules of CRDs, which write it in their own words).
func SaysImmutable(text string) bool { return immutable.MatchString(text) }

// SaysTooLarge reports whether the object is bigger than the API server, its storage or validation takes.
func SaysTooLarge(text string) bool { return tooLarge.MatchString(text) }

// SaysNotServed reports whether the cluster does not know the kind in its version, in the words of the API server or of
// discovery.
func SaysNotServed(text string) bool { return notServed.MatchString(text) }

// AllocationFailure is the part of a text that says why a Service does not get the port or address that it asks for
// (pkg/registry/core/service); empty for other texts.
func AllocationFailure(text string) string { return allocation.FindString(text) }

// ConflictingManager is the one that a refused server-side apply says owns a field; empty for other texts.
func ConflictingManager(text string) string { return first(conflictWith, text) }

// WithoutValue takes a whole Go value, or a long one, out of the words of validation, which repeat what was sent.
func WithoutValue(text string) string { return dump.ReplaceAllString(text, "") }

// FieldPath turns a path of server-side apply, .spec.containers[name="app"].image, into the form of the reports.
func FieldPath(path string) string {
	path = strings.TrimPrefix(path, ".")
	return setElsewhere.ReplaceAllStringFunc(path, func(m string) string { return strings.ReplaceAll(m, `"`, "") })
}
