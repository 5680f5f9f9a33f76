// Package errors has the error of a validation that never happens.
package errors

// ValidationError is never made.
type ValidationError struct{}

func (*ValidationError) Error() string { return "invalid" }
