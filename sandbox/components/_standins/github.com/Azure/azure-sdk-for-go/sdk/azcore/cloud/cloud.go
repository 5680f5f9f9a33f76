// Package cloud names Azure's clouds.
package cloud

type Configuration struct{ name string }

var (
	AzurePublic     = Configuration{"public"}
	AzureGovernment = Configuration{"government"}
	AzureChina      = Configuration{"china"}
)
