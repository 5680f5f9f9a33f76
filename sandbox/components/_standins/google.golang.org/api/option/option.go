// Package option has the options of a client of Google's cloud that is never made.
package option

import "golang.org/x/oauth2/google"

type ClientOption struct{}

type CredentialsType int

const ServiceAccount CredentialsType = 0

func WithScopes(...string) ClientOption { return ClientOption{} }

func WithAuthCredentialsFile(CredentialsType, string) ClientOption { return ClientOption{} }

func WithCredentials(*google.Credentials) ClientOption { return ClientOption{} }
