package main

import (
	"net/url"
	"strings"

	"github.com/rolloutgate/rolloutgate/gate/record"
)

// azurePipelines is Azure DevOps.
func azurePipelines() ciSystem {
	return ciSystem{
		name: "azure", colors: true,
		detect: func(getenv func(string) string) bool { return strings.EqualFold(getenv("TF_BUILD"), "true") },
		pipeline: func(getenv func(string) string) record.Pipeline {
			p := record.Pipeline{Commit: getenv("BUILD_SOURCEVERSION"), Actor: getenv("BUILD_REQUESTEDFOR")}
			if host, project := getenv("SYSTEM_COLLECTIONURI"), getenv("SYSTEM_TEAMPROJECT"); host != "" && project != "" {
				p.URL = strings.TrimSuffix(host, "/") + "/" + url.PathEscape(project) + "/_build/results?buildId=" + getenv("BUILD_BUILDID")
			}
			return p
		},
	}
}
