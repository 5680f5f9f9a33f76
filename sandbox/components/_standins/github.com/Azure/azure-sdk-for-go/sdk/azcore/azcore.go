// Package azcore stands in for the module of this name, Azure's SDK: Prometheus logs in to Microsoft Entra with it.
package azcore

import (
	"context"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

type ClientOptions struct {
	Cloud cloud.Configuration
}

type AccessToken struct {
	Token     string
	ExpiresOn time.Time
	RefreshOn time.Time
}

type TokenCredential interface {
	GetToken(context.Context, policy.TokenRequestOptions) (AccessToken, error)
}
