// Package azidentity stands in for the module of this name, which logs in to Microsoft Entra.
package azidentity

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

var errLeftOut = errors.New("azuread: the sandbox builds Prometheus without it")

// Credential is never made.
type Credential struct{}

func (*Credential) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{}, errLeftOut
}

type ClientID string

type ManagedIdentityCredentialOptions struct {
	ClientOptions azcore.ClientOptions
	ID            ClientID
}

func NewManagedIdentityCredential(*ManagedIdentityCredentialOptions) (*Credential, error) {
	return nil, errLeftOut
}

type WorkloadIdentityCredentialOptions struct {
	ClientOptions                     azcore.ClientOptions
	ClientID, TenantID, TokenFilePath string
}

func NewWorkloadIdentityCredential(*WorkloadIdentityCredentialOptions) (*Credential, error) {
	return nil, errLeftOut
}

type ClientSecretCredentialOptions struct {
	ClientOptions azcore.ClientOptions
}

func NewClientSecretCredential(_, _, _ string, _ *ClientSecretCredentialOptions) (*Credential, error) {
	return nil, errLeftOut
}

type DefaultAzureCredentialOptions struct {
	ClientOptions azcore.ClientOptions
	TenantID      string
}

func NewDefaultAzureCredential(*DefaultAzureCredentialOptions) (*Credential, error) {
	return nil, errLeftOut
}
