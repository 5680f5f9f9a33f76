package messages

import "regexp"

var (
	cannotDo       = regexp.MustCompile(`User "([^"]*)" cannot (\w+) resource "([^"]*)"(?: in API group "([^"]*)")?`)
	serviceAccount = regexp.MustCompile(`User "system:serviceaccount:([^:"]+):([^"]+)" cannot [^:]+`)
)

// Forbidden is what an account may not do (apiserver's pkg/endpoints/handlers/responsewriters, forbiddenMessage).
type Forbidden struct {
	User, Verb, Resource string
	Group                string // empty for the core group
}

// ParseForbidden takes the answer to a request that authorization refuses apart; ok is false for other texts.
func ParseForbidden(text string) (f Forbidden, ok bool) {
	m := cannotDo.FindStringSubmatch(text)
	if m == nil {
		return Forbidden{}, false
	}
	return Forbidden{User: m[1], Verb: m[2], Resource: m[3], Group: m[4]}, true
}

// RefusedServiceAccount is the service account whose request, for a resource or a path, authorization refuses.
func RefusedServiceAccount(text string) (namespace, name string, ok bool) {
	m := serviceAccount.FindStringSubmatch(text)
	if m == nil {
		return "", "", false
	}
	return m[1], m[2], true
}
