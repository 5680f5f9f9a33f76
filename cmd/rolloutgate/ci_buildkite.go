package main

import "github.com/rolloutgate/rolloutgate/gate/record"

// buildkite shows a log as it is.
func buildkite() ciSystem {
	return ciSystem{
		name: "buildkite", colors: true,
		detect: func(getenv func(string) string) bool { return getenv("BUILDKITE") == "true" },
		pipeline: func(getenv func(string) string) record.Pipeline {
			return record.Pipeline{URL: getenv("BUILDKITE_BUILD_URL"), Commit: getenv("BUILDKITE_COMMIT"), Actor: getenv("BUILDKITE_BUILD_CREATOR")}
		},
	}
}
