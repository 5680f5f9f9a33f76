package main

import "strings"

// azurePipelines is Azure DevOps.
func azurePipelines() ciSystem {
	return ciSystem{
		name: "azure", colors: true,
		detect: func(getenv func(string) string) bool { return strings.EqualFold(getenv("TF_BUILD"), "true") },
	}
}
