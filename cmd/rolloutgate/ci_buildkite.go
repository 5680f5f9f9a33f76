package main

// buildkite shows a log as it is.
func buildkite() ciSystem {
	return ciSystem{
		name: "buildkite", colors: true,
		detect: func(getenv func(string) string) bool { return getenv("BUILDKITE") == "true" },
	}
}
