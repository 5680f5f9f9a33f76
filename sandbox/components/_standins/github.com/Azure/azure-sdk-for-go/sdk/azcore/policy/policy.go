// Package policy has the options of a request for a token that nobody sends.
package policy

type TokenRequestOptions struct {
	Scopes []string
}
