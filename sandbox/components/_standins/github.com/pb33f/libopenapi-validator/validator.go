// Package validator stands in for the module of this name, which tests of Prometheus use: one of their files is compiled
// into the server.
package validator

import (
	"errors"
	"net/http"

	"github.com/pb33f/libopenapi"
	openapierrors "github.com/pb33f/libopenapi-validator/errors"
)

// Validator is never made.
type Validator interface {
	ValidateHttpRequest(*http.Request) (bool, []*openapierrors.ValidationError)
	ValidateHttpResponse(*http.Request, *http.Response) (bool, []*openapierrors.ValidationError)
}

// NewValidator always fails.
func NewValidator(libopenapi.Document) (Validator, []error) {
	return nil, []error{errors.New("this build cannot validate by OpenAPI documents")}
}
